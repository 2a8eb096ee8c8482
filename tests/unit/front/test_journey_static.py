"""Journeys that end with a static file that is known: no worker hears of them."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import brotli
import pytest

from tests.unit.front.static import COOKIE, CSS, PATH, StaticFront, get, parts
from tests.unit.front.wire import Wire, statuses
from tracd_cluster.front.head import Head
from tracd_cluster.front.record import Record
from tracd_cluster.settings.static import StaticSettings

BROWSER = b"Accept-Encoding: gzip, deflate, br\r\n"


def taught(folder: Path, settings: StaticSettings | None = None, **front: object) -> StaticFront:
    """Make a front that has learned of the file."""
    static = StaticFront(folder, settings, **front)
    Wire(static.front).feed(get())
    static.lane.say(static.named())
    assert 1 == static.learned.addresses
    return static


@pytest.fixture
def static(tmp_path: Path) -> StaticFront:
    """A front that has learned of the file."""
    return taught(tmp_path)


def ask(static: StaticFront, fields: bytes = b"", path: bytes = PATH, method: bytes = b"GET") -> Wire:
    """Ask on a connection of one's own."""
    return Wire(static.front).feed(get(path, fields, method))


def test_a_hit_needs_no_worker(static: StaticFront) -> None:
    """Whoever asks; and all of it is in one write."""
    for fields in (b"", COOKIE, b"Authorization: Basic eDp5\r\n"):
        status, found, body = parts(ask(static, fields).take())
        assert (200, CSS, b"text/css") == (status, body, found[b"content-type"])
        assert b"set-cookie" not in found
        assert b"cache-control" not in found
        assert {b"etag", b"last-modified", b"date", b"server", b"x-request-id"} <= found.keys()
        assert b"Accept-Encoding" == found[b"vary"]
    assert 1 == static.asked


@pytest.mark.parametrize(
    ("fields", "coding"),
    [
        (BROWSER, b"br"),
        (b"Accept-Encoding: gzip\r\n", b"gzip"),
        (b"Accept-Encoding: gzip;q=0.5\r\nAccept-Encoding: br;q=0.9\r\n", b"br"),
        (b"Accept-Encoding: zstd\r\n", None),
        (b"Accept-Encoding: identity;q=0\r\n", None),
        (b"", None),
    ],
)
def test_a_client_gets_a_form_that_it_takes(static: StaticFront, fields: bytes, coding: bytes | None) -> None:
    """With a length and a tag of its own."""
    _, found, body = parts(ask(static, fields).take())
    assert coding == found.get(b"content-encoding")
    assert len(body) == int(found[b"content-length"])
    plain = {b"br": brotli.decompress, b"gzip": gzip.decompress, None: bytes}[coding](body)
    assert CSS == plain
    assert (coding or b"") in found[b"etag"]


def test_head_has_the_same_fields_and_no_body(static: StaticFront) -> None:
    """In each form."""
    for fields in (b"", BROWSER):
        got, head = (parts(ask(static, fields, method=method).take()) for method in (b"GET", b"HEAD"))
        assert b"" == head[2]
        for each in (got[1], head[1]):
            del each[b"x-request-id"]
        assert got[:2] == head[:2]


def test_what_a_client_has_is_not_sent_again(static: StaticFront) -> None:
    """A tag among others, a weak one too; a date only where there is no tag."""
    for fields in (b"", BROWSER):
        _, found, _ = parts(ask(static, fields).take())
        tag, date = found[b"etag"], found[b"last-modified"]
        for condition, status in (
            (b"If-None-Match: %b\r\n" % tag, 304),
            (b'If-None-Match: "a", W/%b, "b"\r\n' % tag, 304),
            (b"If-None-Match: *\r\n", 304),
            (b'If-None-Match: "a"\r\n', 200),
            (b"If-Modified-Since: %b\r\n" % date, 304),
            (b"If-Modified-Since: Thu, 26 Nov 2020 00:00:00 GMT\r\n", 200),
            (b'If-None-Match: "a"\r\nIf-Modified-Since: %b\r\n' % date, 200),
            (b'If-Match: "a"\r\n', 412),
        ):
            got = parts(ask(static, fields + condition).take())
            assert status == got[0], condition
            if status == 304:
                assert b"" == got[2]
                assert (tag, b"Accept-Encoding") == (got[1][b"etag"], got[1][b"vary"])
                assert not {b"content-length", b"content-type", b"content-encoding"} & got[1].keys()
    assert 1 == static.asked


def test_the_tag_of_one_form_is_not_that_of_another(static: StaticFront) -> None:
    """Who has it compressed, and wants it plain, does not have it."""
    _, found, _ = parts(ask(static, BROWSER).take())
    assert 200 == parts(ask(static, b"If-None-Match: %b\r\n" % found[b"etag"]).take())[0]


def test_parts_are_parts_of_the_plain_form(static: StaticFront) -> None:
    """Whatever else the client takes."""
    _, plain, _ = parts(ask(static).take())
    status, found, body = parts(ask(static, BROWSER + b"Range: bytes=10-19\r\n").take())
    assert (206, CSS[10:20]) == (status, body)
    assert b"bytes 10-19/%d" % len(CSS) == found[b"content-range"]
    assert plain[b"etag"] == found[b"etag"]
    assert b"content-encoding" not in found
    status, found, body = parts(ask(static, BROWSER + b"Range: bytes=0-0,-1\r\n").take())
    assert 206 == status
    assert found[b"content-type"].startswith(b"multipart/byteranges; boundary=")
    assert b"\r\n\r\n" + CSS[-1:] + b"\r\n--" in body
    assert 416 == parts(ask(static, b"Range: bytes=99999-\r\n").take())[0]
    assert CSS == parts(ask(static, b'Range: bytes=0-0\r\nIf-Range: "a"\r\n').take())[2]


def test_how_long_it_may_be_used(tmp_path: Path) -> None:
    """By caches on the way too, unless somebody has signed in."""
    static = taught(tmp_path, StaticSettings(max_age=60))
    for fields in (b"", COOKIE, b"If-None-Match: *\r\n", b"Range: bytes=0-0\r\n"):
        assert b"public, max-age=60" == parts(ask(static, fields).take())[1][b"cache-control"]
    head = Head(b"GET", "1.1", PATH, [(b"Host", b"x")])
    entry = static.learned.find(head, static.front.now)
    assert entry is not None
    assert b"\r\nCache-Control: private, max-age=60\r\n" in static.learned.answer(entry, head, b"joe", b"", 0.0)


def test_a_changed_file_is_asked_for(static: StaticFront) -> None:
    """Within a second of its change."""
    static.put(CSS + b"p {}\n")
    static.pass_time(1)
    wire = ask(static)
    assert 2 == static.asked
    static.lane.say(static.named())
    assert CSS + b"p {}\n" == parts(wire.take())[2]
    assert CSS + b"p {}\n" == parts(ask(static).take())[2]
    assert 2 == static.asked


@pytest.mark.parametrize("settings", [StaticSettings(memory=0), StaticSettings(largest=1)])
def test_what_is_not_in_memory_comes_from_disk(tmp_path: Path, settings: StaticSettings) -> None:
    """Without a worker, all the same; and with all that can be asked of a file."""
    static = taught(tmp_path, settings)
    status, found, body = parts(ask(static, BROWSER).take())
    assert (200, CSS, b"Accept-Encoding") == (status, body, found[b"vary"])
    assert 304 == parts(ask(static, b"If-None-Match: %b\r\n" % found[b"etag"]).take())[0]
    assert CSS[:1] == parts(ask(static, b"Range: bytes=0-0\r\n").take())[2]
    assert 1 == static.asked
    static.put(b"another")
    wire = ask(static)
    assert 2 == static.asked, "it is seen at once that this is another file"
    static.lane.say(static.named())
    assert b"another" == parts(wire.take())[2]


def test_a_host_that_is_not_ours_gets_nothing(tmp_path: Path) -> None:
    """What is known is looked for behind every other check."""
    static = taught(tmp_path, hosts=("x",))
    assert 200 == parts(ask(static).take())[0]
    wire = Wire(static.front).feed(b"GET %b HTTP/1.1\r\nHost: y\r\n\r\n" % PATH)
    assert 421 == parts(wire.take())[0]
    assert 400 == parts(ask(static, path=b"/chrome/site/../site/a.css").take())[0]


def test_who_asks_for_much_and_reads_nothing_gets_no_more(tmp_path: Path) -> None:
    """A hundred requests ahead are not a hundred files in memory."""
    static = taught(tmp_path)
    wire = Wire(static.front)
    taken = wire.write

    def full(data: bytes) -> None:
        taken(data)
        wire.connection.pauseProducing()

    wire.write = full  # type: ignore[method-assign]
    wire.feed(get() * 100)
    assert 1 == len(statuses(wire.take()))
    answers = 1
    while answers < 100:
        wire.connection.resumeProducing()
        answers += len(statuses(wire.take()))
    assert 1 == static.asked


def test_many_at_once_are_answered_in_order(static: StaticFront) -> None:
    """Pages among them wait for their worker, and what is behind a page waits for that."""
    wire = Wire(static.front).feed(get() + get(b"/wiki") + get())
    assert [200] == statuses(wire.take())
    static.lane.say(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")
    assert [404, 200] == statuses(wire.take())


def test_old_clients_and_last_requests(static: StaticFront) -> None:
    """The connection ends as it should."""
    wire = Wire(static.front).feed(b"GET %b HTTP/1.0\r\n\r\n" % PATH)
    status, found, body = parts(wire.take())
    assert (200, CSS, b"close") == (status, body, found[b"connection"])
    assert wire.over
    wire = Wire(static.front).feed(b"GET %b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" % PATH)
    assert b"keep-alive" == parts(wire.take())[1][b"connection"]
    wire = ask(static, b"Connection: close\r\n")
    assert b"close" == parts(wire.take())[1][b"connection"]
    assert wire.over


def test_it_is_told_of_like_any_request(static: StaticFront) -> None:
    """By whom, with which status, and how much."""
    records: list[Record] = []
    static.front.recorders.append(records.append)
    sent = [len(ask(static, fields).take()) for fields in (b"", b"If-None-Match: *\r\n")]
    assert [("memory", 200, sent[0]), ("memory", 304, sent[1])] == [(r.by, r.status, r.sent) for r in records]


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    """Whatever was loaded or sent."""
    static = taught(tmp_path)
    for _ in range(3):
        ask(static)
        static.pass_time(2)
    open_files = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    assert str(static.file) not in [os.readlink(each) for each in open_files if os.path.lexists(each)]
