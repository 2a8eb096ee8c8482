"""What is said on the control link."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.settings.pool import PoolSettings, ProjectSettings
from tracd_cluster.workers import control
from tracd_cluster.workers.control import BadLine, Exited, Failed, Fault, Forked, ForkFailed, LineSplitter, Ready, Told


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            b'{"type":"ready","seconds":1,"preloaded":true,"files":["/a.py"],"warnings":[],"base_urls":["http://a/"]}',
            Ready(1.0, True, ("/a.py",), (), ("http://a/",)),
        ),
        (
            b'{"type":"failed","step":"open /srv/x","error":"needs upgrade","traceback":""}',
            Failed("open /srv/x", "needs upgrade", ""),
        ),
        (b'{"type":"forked","worker":3,"pid":1234}', Forked(3, 1234)),
        (b'{"type":"exited","worker":3,"pid":1234,"status":-9,"more":"is let be"}', Exited(3, 1234, -9)),
        (b'{"type":"fork-failed","worker":3,"error":"no memory"}', ForkFailed(3, "no memory")),
    ],
)
def test_messages_are_read(line: bytes, message: Told) -> None:
    """All that a template can say."""
    assert message == control.decode(line)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"Traceback (most recent call last):", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[1]", "not an object"),
        (b"{}", "unknown type None"),
        (b'{"type":["ready"]}', "unknown type"),
        (b'{"type":"hello"}', "unknown type 'hello'"),
        (b'{"type":"forked","worker":3}', "pid is missing"),
        (b'{"type":"forked","worker":"3","pid":1}', "worker is not an integer"),
        (b'{"type":"forked","worker":true,"pid":1}', "worker is not an integer"),
        (b'{"type":"fork-failed","worker":1,"error":null}', "error is not a string"),
        (b'{"type":"ready","seconds":"1","preloaded":true,"files":[],"warnings":[]}', "seconds is not a number"),
        (b'{"type":"ready","seconds":1,"preloaded":1,"files":[],"warnings":[]}', "preloaded is neither"),
        (b'{"type":"ready","seconds":1,"preloaded":true,"files":[1],"warnings":[]}', "files is not a list of strings"),
    ],
)
def test_a_bad_line_is_named(line: bytes, why: str) -> None:
    """The log shows the line and what is wrong with it."""
    with pytest.raises(BadLine) as raised:
        control.decode(line)
    assert why in str(raised.value)
    assert repr(line) in str(raised.value)


def test_a_long_bad_line_is_shown_in_part() -> None:
    """A log is not for a megabyte."""
    with pytest.raises(BadLine) as raised:
        control.decode(b"x" * 100_000)
    assert 300 > len(str(raised.value))


def test_the_configuration_is_told() -> None:
    """A template knows nothing else."""
    projects = ProjectSettings(env_paths=("/srv/é",), single_env=True, base_path="/trac")
    line = control.configure(
        7,
        PoolSettings(
            projects=projects, threads=2, freeze=False, compress_pages=True, umask=0o027, visitor_secret=b"secret"
        ),
    )
    assert line.endswith(b"\n")
    assert {
        "type": "configure",
        "generation": 7,
        "projects": {"env_paths": ["/srv/é"], "env_parent_dir": None, "single_env": True, "base_path": "/trac"},
        "threads": 2,
        "preload": True,
        "freeze": False,
        "remember_locales": True,
        "compress_pages": True,
        "visitor_secret": "736563726574",
        "umask": 23,
        "https": False,
        "application": None,
    } == json.loads(line)


def test_orders_are_lines() -> None:
    """As short as they can be."""
    assert b'{"type":"fork","worker":3}\n' == control.fork(3)
    assert b'{"type":"quit"}\n' == control.quit_line()


@given(st.lists(st.binary(max_size=8).map(lambda data: data.replace(b"\n", b"."))), st.data())
def test_any_split_of_the_bytes_gives_the_same_lines(lines: list[bytes], data: st.DataObject) -> None:
    """A stream has no seams."""
    stream = b"".join(line + b"\n" for line in lines) + b"rest"
    splitter = LineSplitter()
    found = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += splitter.feed(stream[:size])
        stream = stream[size:]
    assert lines == found


def test_a_line_without_end_is_refused() -> None:
    """A template gone wild does not fill the front's memory."""
    splitter = LineSplitter(limit=10)
    assert [b"a"] == splitter.feed(b"a\n0123456789")
    with pytest.raises(BadLine, match="longer than 10 bytes"):
        splitter.feed(b"0")


def test_what_does_not_work_is_told_with_ready() -> None:
    """And what is missing of the newer part of a message is empty."""
    ready = b'{"type":"ready","seconds":1,"preloaded":true,"files":[],"warnings":[],"base_urls":[],"faults":%b}'
    fault = b'{"kind":"page","environment":"/x","what":"/","text":"bad","file":"/a.py","traceback":"T"}'
    told = control.decode(ready % (b"[" + fault + b"]"))
    assert isinstance(told, Ready)
    assert (Fault("page", "/x", "/", "bad", "/a.py", "T"),) == told.faults
    assert ((), ()) == (told.opened, told.settings)
    for wrong in (b"[1]", b'[{"kind":"page"}]', b"{}"):
        with pytest.raises(BadLine, match="faults is not a list of faults"):
            control.decode(ready % wrong)
