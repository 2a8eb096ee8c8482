"""What is read from a page is what somebody would copy from it."""

from __future__ import annotations

from tests.clean_root.pages import Command, commands
from tests.processes import ROOT

PAGE = """\
# Title

    make demo     # until Ctrl-C

## Install

Text.

    apt-get install git
    # only a remark
    trac-admin /srv/trac \\
        initenv "My project"

## File

    # /etc/some.toml
    port = 8000        # a remark

```
    a picture
```
"""


def test_commands_stand_in_indented_blocks() -> None:
    """Each with its heading; several lines that belong together are one, and remarks alone are none."""
    assert [
        Command("Title", "make demo     # until Ctrl-C"),
        Command("Install", "apt-get install git"),
        Command("Install", 'trac-admin /srv/trac \\\ninitenv "My project"'),
        Command("File", "cat >/etc/some.toml <<'END'\nport = 8000        # a remark\nEND"),
    ] == list(commands(PAGE))


def test_a_command_is_shown_in_one_line() -> None:
    """Without its remark."""
    shown = [command.shown for command in commands(PAGE)]
    assert ["make demo", "apt-get install git", 'trac-admin /srv/trac initenv "My project"', "cat >/etc/some.toml"] \
        == shown  # fmt: skip


def test_pages_have_commands() -> None:
    """Those that are run in a fresh Debian are still read as they were meant."""
    texts = [command.shown for name in ("README.md", "docs/systemd.md")
             for command in commands((ROOT / name).read_text(encoding="utf-8"))]  # fmt: skip
    assert {
        "make demo",
        "systemctl daemon-reload",
        "cat >/etc/tracd-cluster.toml",
        "python3 -m venv /opt/trac",
    } <= set(texts)
