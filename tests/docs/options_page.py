"""docs/options.md, made of the table of options: ``make docs`` or ``python -m tests.docs.options_page``."""

from __future__ import annotations

import re
from pathlib import Path

from tracd_cluster.changes import LIVE, NOT_LIVE
from tracd_cluster.configuration.option import Option
from tracd_cluster.configuration.options import ENVS, EXCLUSIVE, NOT_IN_FILE, OPTIONS

PAGE = Path(__file__).parents[2] / "docs" / "options.md"

CALLED = {
    "basic-auth": "auth",
    "cert-dir": "where certificates are and what is asked of clients for theirs",
    "certfile": "where certificates are and what is asked of clients for theirs",
    "client-ca": "where certificates are and what is asked of clients for theirs",
    "client-cert": "where certificates are and what is asked of clients for theirs",
    "command-base-path": "worker-command",
    "demo-cert": "where certificates are and what is asked of clients for theirs",
    "envs": "environments",
    "health-path": "how other servers are spoken to",
    "hostname": "the addresses to listen on",
    "hsts": "where certificates are and what is asked of clients for theirs",
    "http11": "http10",
    "https-port": "the addresses to listen on",
    "key-passphrase-file": "where certificates are and what is asked of clients for theirs",
    "keyfile": "where certificates are and what is asked of clients for theirs",
    "listen": "the addresses to listen on",
    "port": "the addresses to listen on",
    "upstream-ca": "how other servers are spoken to",
    "upstream-connections": "how other servers are spoken to",
    "upstream-resolver": "how other servers are spoken to",
}
"""What changes.py calls an option where it has another name for it."""
WITHOUT_EFFECT = {"unquote"}

TITLES = {"https": "HTTPS"}
MORE = {
    "environments": "tracd.md",
    "listening": "behind-a-proxy.md",
    "https": "https.md",
    "signing in": "signing-in.md",
    "workers": "workers.md",
    "other workers": "other-workers.md",
    "strangers": "caching.md",
    "static files": "static-files.md",
    "limits": "limits.md",
    "traffic": "traffic.md",
    "watching": "admin.md",
    "process": "operating.md",
    "logs": "logs.md",
}
"""Group -> the page that has more about it."""

INTRODUCTION = """\
# Options

<!-- Made by `make docs` of the table of options. Edits here are lost. -->

All options, in the order and the words of `tracd-cluster --help`. An option stands on the command line, or in the file
that `--config` names, under its long name without the hyphens; the column *in the file* shows how. What stands on the
command line wins. A path in the file starts from the folder of the file.

*Changed by* says when a changed file counts: at HUP, while everything runs ([changes.md](changes.md)), or at a
restart. `tracd-cluster --show-config ...` prints what is in force and where it comes from.

Times are seconds. A SIZE is a number of bytes, or one with K, M or G behind it (powers of 1024). Options marked
with ᵗ are tracd's ([tracd.md](tracd.md)).
"""
END = """\
`--version` and `-h`, `--help` print what they say and end.

## Not together

"""


def live(option: Option) -> bool:
    """Tell whether HUP takes a new value of an option. Raises KeyError for one of which changes.py does not tell."""
    called = CALLED.get(option.name, option.name)
    if called in LIVE.values() and called != "umask":  # it is the process's as well
        return True
    if called in NOT_LIVE.values():
        return False
    raise KeyError(f"{option.name}: say in CALLED (tests/docs/options_page.py) what changes.py calls this option")


def page() -> str:
    """Write the whole page."""
    groups: dict[str, list[Option]] = {}
    for option in (ENVS, *OPTIONS):
        if not option.hidden:
            groups.setdefault(option.group, []).append(option)
    lines = [INTRODUCTION]
    for group, options in groups.items():
        lines.append(f"## {TITLES.get(group, group.capitalize())}\n")
        if group in MORE:
            lines.append(f"More: [{MORE[group]}]({MORE[group]}).\n")
        lines += ["| option | in the file | default | changed by | meaning |", "|---|---|---|---|---|"]
        lines += [_row(option) for option in options]
        lines.append("")
    lines.append(END + "\n".join(f"- {' and '.join(_code(_named(key)) for key in keys)}" for keys in EXCLUSIVE))
    return "\n".join(lines) + "\n"


def _row(option: Option) -> str:
    if option.key in NOT_IN_FILE:
        filed = changed = ""
    else:
        filed = f"`{option.name} = {_example(option)}`"
        changed = "" if option.name in WITHOUT_EFFECT else "HUP" if live(option) else "restart"
    value = "" if option.read is None or option is ENVS else f" {option.metavar}"
    names = ", ".join(f"`{name}`" for name in option.names[:-1])
    last = option.metavar if option is ENVS else option.names[-1] + value
    mark = " ᵗ" if option.tracds else ""
    cells = (f"{names}{', ' if names else ''}`{last}`{mark}", filed, option.shown, changed, option.help)
    return "|" + "|".join(f" {cell} " if cell else " " for cell in map(_escaped, cells)) + "|"


def _example(option: Option) -> str:
    if option.read is None or option.name == "require-login":
        return "true"
    value = option.metavar or "" if option.metavar in ("N", "SECONDS") else f'"{option.metavar}"'
    return f"[{value}]" if option.repeatable else value


def _named(key: str) -> str:
    return next(option.names[-1] for option in OPTIONS if option.key == key)


def _code(text: str) -> str:
    return f"`{text}`"


def _escaped(text: str) -> str:
    """Keep Markdown from finding a meaning in it, where it is not code."""
    return text if "`" in text else re.sub(r"[|*$<]", r"\\\g<0>", text)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
