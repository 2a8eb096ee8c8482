"""The table of options, and what becomes of a command line's words before they are read."""

from __future__ import annotations

import contextlib
import io

import pytest

from tracd_cluster.configuration.options import OPTIONS, expand, make_parser

TRACDS = [
    "--version", "--help", "--env-parent-dir", "--single-env", "--auth", "--basic-auth", "--port", "--hostname",
    "--protocol", "--certfile", "--keyfile", "--unquote", "--base-path", "--http10", "--http11", "--auto-reload",
    "--daemonize", "--pidfile", "--umask", "--group", "--user",
]  # fmt: skip
SHORT = {"-h", "-e", "-s", "-a", "-p", "-b", "-q", "-r", "-d"}


def help_text() -> str:
    """What --help prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as end:
        make_parser("tracd-cluster", "1").parse_args(["--help"])
    assert 0 == end.value.code
    return out.getvalue()


def test_tracd_has_nothing_that_is_not_here() -> None:
    """Every option of tracd 1.6 is an option here, long and short."""
    parser = make_parser("tracd-cluster", "1")
    names = {name for action in parser._actions for name in action.option_strings}
    assert set() == (set(TRACDS) | SHORT) - names
    marked = {name for option in OPTIONS if option.tracds for name in option.names}
    assert (set(TRACDS) | SHORT) - {"--version", "--help", "-h"} == marked


@pytest.mark.parametrize("full", TRACDS)
def test_abbreviations_mean_what_they_mean_to_tracd(full: str) -> None:
    """Whatever was short for one of tracd's options alone is that still, however many have joined them."""
    for length in range(3, len(full)):
        short = full[:length]
        if [full] == [other for other in TRACDS if other.startswith(short)]:
            assert [f"{full}=x"] == list(expand([f"{short}=x"]))
            assert [full, "x"] == list(expand([short, "x"]))


def test_our_own_may_be_abbreviated_too() -> None:
    """What is short for none of tracd's is left to the parser."""
    words = list(expand(["--thr", "3", "--queue-ti", "1"]))
    options = make_parser("tracd-cluster", "1").parse_intermixed_args(words)
    assert (3, 1.0) == (options.threads, options.queue_timeout)


def test_a_login_may_be_required_of_all_or_of_one() -> None:
    """The word behind --require-login may be an environment, so its value stands behind an equals sign."""
    assert ["--require-login=*", "/env"] == list(expand(["--require-login", "/env"]))
    assert ["--require-login=one"] == list(expand(["--require-login=one"]))


def test_nothing_behind_two_hyphens_is_an_option() -> None:
    """An environment may be called like an option."""
    assert ["-s", "--", "--po"] == list(expand(["-s", "--", "--po"]))


def test_help_is_grouped_with_one_line_for_each_option() -> None:
    """An operator finds an option at a glance, with its default."""
    lines = help_text().splitlines()
    for option in OPTIONS:
        if option.hidden:
            continue
        found = [line for line in lines if line.startswith("  -") and f"{option.names[-1]} " in line[:34]]
        assert 1 == len(found), option.names
        assert option.help.split(";")[0] in found[0]
        assert f"(default: {option.shown})" in found[0] or not option.shown
    groups = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    expected = (
        "environments listening https signing_in workers other_workers strangers traffic static_files limits watching "
        "process logs what_to_do"
    )
    assert [f"{name.replace('_', ' ')}:" for name in expected.split()] == groups


def test_help_tells_twistds_options_from_ours() -> None:
    """Who comes from twistd hears that -d, -p and others mean something else before the name."""
    text = help_text()
    assert "Before it, twistd reads its own" in text
    assert "tracd-cluster passwd" in text
