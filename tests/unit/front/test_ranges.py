"""Ranges and conditions: the examples of RFC 9110, and what holds whatever is asked."""

from __future__ import annotations

from email.message import Message
from email.parser import BytesParser
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.front.ranges import (
    MOST_RANGES,
    OVERHEAD,
    Selected,
    Whole,
    conditions,
    ranges_of,
    seconds_of,
    select,
)

MODIFIED = b"Sun, 06 Nov 1994 08:49:37 GMT"
EARLIER = b"Sun, 06 Nov 1994 08:49:36 GMT"
LATER = b"Sun, 06 Nov 1994 08:49:38 GMT"
CHANGED = 784111777
FILE = Whole(10_000, b'"abc"', MODIFIED, b"text/plain")
BOUNDARY = b"8d4f"


def asked(*lines: bytes, method: bytes = b"GET", file: Whole = FILE, now: float = CHANGED + 60) -> Selected:
    """Give what a request with these lines gets."""
    return select(conditions([line + b"\r\n" for line in lines]), method, file, now, BOUNDARY)


def content(selected: Selected, file: bytes) -> bytes:
    """Give the body that would be sent."""
    return b"".join(piece if isinstance(piece, bytes) else file[piece.start : piece.stop] for piece in selected.body)


def lines_of(selected: Selected) -> Message:
    """Read the lines."""
    return BytesParser().parsebytes(selected.lines + b"\r\n")


# -- what a request says


def test_most_requests_say_nothing_of_this() -> None:
    """Names are whole names."""
    assert conditions([b"Host: a\r\n", b"Accept-Ranges: bytes\r\n", b"X-Range: bytes=0-1\r\n"]) is None


def test_names_are_found_in_any_case_and_values_are_trimmed() -> None:
    """As fields are in HTTP."""
    found = conditions([b"Host: a\r\n", b"RANGE: \t bytes=0-1 \r\n", b"if-none-match:*\r\n"])
    assert {b"range": b"bytes=0-1", b"if-none-match": b"*"} == found


def test_lists_are_joined_and_what_is_none_is_worthless_twice() -> None:
    """Nobody can tell which of two Range fields is meant."""
    found = conditions([b'If-Match: "a"\r\n', b'If-Match: "b"\r\n', b"Range: bytes=0-1\r\n", b"Range: bytes=2-3\r\n"])
    assert {b"if-match": b'"a","b"', b"range": b""} == found
    assert 200 == asked(b"Range: bytes=0-1", b"Range: bytes=2-3").status


# -- the whole


def test_without_conditions_everything_comes() -> None:
    """And it is said that parts can be had."""
    selected = asked()
    assert (200, (range(10_000),), 10_000) == (selected.status, selected.body, selected.size)
    assert b"Content-Length: 10000\r\nAccept-Ranges: bytes\r\n" == selected.lines


def test_an_empty_file_has_no_body() -> None:
    """It has a length all the same."""
    selected = asked(file=Whole(0, b'"e"'))
    assert (200, ()) == (selected.status, selected.body)
    assert "0" == lines_of(selected)["Content-Length"]


# -- ranges (RFC 9110 section 14.1.2, whose examples are of 10000 bytes)


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        (b"bytes=0-499", [range(500)]),
        (b"bytes=500-999", [range(500, 1000)]),
        (b"bytes=-500", [range(9500, 10_000)]),
        (b"bytes=9500-", [range(9500, 10_000)]),
        (b"bytes=0-0,-1", [range(1), range(9999, 10_000)]),
        (b"bytes= 0-999, 4500-5499, -1000", [range(1000), range(4500, 5500), range(9000, 10_000)]),
        (b"bytes=500-600,601-999", [range(500, 1000)]),
        (b"bytes=500-700,601-999", [range(500, 1000)]),
        (b"Bytes=0-1", [range(2)]),
        (b"bytes=0-", [range(10_000)]),
        (b"bytes=0-99999999999999999999999", [range(10_000)]),
        (b"bytes=-99999999999999999999999", [range(10_000)]),
        (b"bytes=,0-1,,", [range(2)]),
        (b"bytes=5000-5001,0-1", [range(5000, 5002), range(2)]),  # in the client's order
        (b"bytes=10000-", []),
        (b"bytes=10000-10001,-0", []),
        (b"bytes=99999999999999999999999-", []),
        (b"bytes=0-1,10000-", [range(2)]),
    ],
)
def test_ranges_are_understood(specs: bytes, expected: list[range]) -> None:
    """What is behind the end is cut off, or left out."""
    assert expected == ranges_of(specs, 10_000)


@pytest.mark.parametrize(
    "specs",
    [
        b"lines=0-1", b"bytes", b"bytes=", b"bytes=,", b"bytes=5-4", b"bytes=a-b", b"bytes=-", b"bytes=0-1;2-3",
        b"bytes=0-1,x", b"bytes=--1", b"bytes=+1-2", b"bytes=1-2-3", b"=0-1", b"bytes 0-1", b"bytes=0 - 1",
    ],
)  # fmt: skip
def test_what_is_no_range_is_ignored(specs: bytes) -> None:
    """The client gets everything, as if it had not asked."""
    assert ranges_of(specs, 10_000) is None
    assert 200 == asked(b"Range: " + specs).status


def test_a_flood_of_ranges_gets_the_file_once() -> None:
    """As CVE-2011-3192 had it, and as many small ones."""
    assert ranges_of(b"bytes=0-," + b",".join(b"5-%d" % end for end in range(5, 30)), 10_000) is None
    many = b",".join(b"%d-%d" % (300 * n, 300 * n) for n in range(MOST_RANGES + 1))
    assert ranges_of(b"bytes=" + many, 1_000_000) is None
    assert ranges_of(b"bytes=0-,0-", 10_000) is None


def test_one_range_is_one_part() -> None:
    """It is sent as it is."""
    selected = asked(b"Range: bytes=500-999")
    assert (206, (range(500, 1000),)) == (selected.status, selected.body)
    assert "bytes 500-999/10000" == lines_of(selected)["Content-Range"]
    assert "500" == lines_of(selected)["Content-Length"]


def test_several_ranges_are_several_parts() -> None:
    """Each says where it belongs and what it is."""
    file = bytes(i % 251 for i in range(10_000))
    selected = asked(b"Range: bytes=0-9,5000-5009")
    parts = parts_of(selected, file)
    assert [("bytes 0-9/10000", file[:10]), ("bytes 5000-5009/10000", file[5000:5010])] == [
        (str(part["Content-Range"]), part.get_payload(decode=True)) for part in parts
    ]
    assert ["text/plain", "text/plain"] == [part["Content-Type"] for part in parts]


def parts_of(selected: Selected, file: bytes) -> list[Message]:
    """Read a body of several parts."""
    assert 206 == selected.status
    whole = BytesParser().parsebytes(
        b"Content-Transfer-Encoding: binary\r\n" + selected.lines + b"\r\n" + content(selected, file)
    )
    assert whole.is_multipart()
    return whole.get_payload()  # type: ignore[return-value]


def test_what_lies_behind_the_end_is_said_so() -> None:
    """With the size, so that the client can ask better."""
    selected = asked(b"Range: bytes=10000-")
    assert (416, ()) == (selected.status, selected.body)
    assert "bytes */10000" == lines_of(selected)["Content-Range"]
    assert "0" == lines_of(selected)["Content-Length"]


def test_an_empty_file_has_no_ranges() -> None:
    """But its last bytes are all that it has."""
    empty = Whole(0, b'"e"')
    assert 416 == asked(b"Range: bytes=0-", file=empty).status
    assert 200 == asked(b"Range: bytes=-5", file=empty).status


def test_ranges_go_with_get_only() -> None:
    """RFC 9110 section 14.2."""
    assert 200 == asked(b"Range: bytes=0-1", method=b"HEAD").status


# -- conditions (RFC 9110 section 13.2.2)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([b'If-None-Match: "abc"'], 304),
        ([b'If-None-Match: W/"abc"'], 304),
        ([b'If-None-Match: "x", "abc"'], 304),
        ([b"If-None-Match: *"], 304),
        ([b'If-None-Match: "x"'], 200),
        ([b"If-None-Match: abc"], 200),
        ([b"If-None-Match:"], 200),
        ([b"If-Modified-Since: " + MODIFIED], 304),
        ([b"If-Modified-Since: " + LATER], 304),
        ([b"If-Modified-Since: " + EARLIER], 200),
        ([b"If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT"], 304),
        ([b"If-Modified-Since: Sun Nov  6 08:49:37 1994"], 304),
        ([b"If-Modified-Since: yesterday"], 200),
        ([b'If-None-Match: "x"', b"If-Modified-Since: " + MODIFIED], 200),
        ([b'If-Match: "abc"'], 200),
        ([b"If-Match: *"], 200),
        ([b'If-Match: W/"abc"'], 412),
        ([b'If-Match: "x"'], 412),
        ([b"If-Unmodified-Since: " + MODIFIED], 200),
        ([b"If-Unmodified-Since: " + EARLIER], 412),
        ([b"If-Unmodified-Since: never"], 200),
        ([b'If-Match: "abc"', b"If-Unmodified-Since: " + EARLIER], 200),
        ([b'If-Match: "x"', b'If-None-Match: "abc"'], 412),
        ([b'If-Match: "abc"', b'If-None-Match: "abc"'], 304),
        ([b'If-None-Match: "abc"', b"Range: bytes=0-1"], 304),
        ([b'If-None-Match: "x"', b"Range: bytes=0-1"], 206),
        ([b'If-Range: "abc"', b"Range: bytes=0-1"], 206),
        ([b'If-Range: "x"', b"Range: bytes=0-1"], 200),
        ([b'If-Range: W/"abc"', b"Range: bytes=0-1"], 200),
        ([b"If-Range: " + MODIFIED, b"Range: bytes=0-1"], 206),
        ([b"If-Range: " + EARLIER, b"Range: bytes=0-1"], 200),
        ([b"If-Range: " + LATER, b"Range: bytes=0-1"], 200),
        ([b"If-Range: nonsense", b"Range: bytes=0-1"], 200),
        ([b'If-Range: "x"', b"Range: bytes=10000-"], 200),
        ([b'If-Range: "abc"'], 200),
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_conditions_are_evaluated_in_their_order(lines: list[bytes], status: int, method: bytes) -> None:
    """For GET and HEAD alike, but that HEAD has no ranges."""
    assert (200 if method == b"HEAD" and status == 206 else status) == asked(*lines, method=method).status


def test_a_weak_tag_of_the_file_only_serves_to_revalidate() -> None:
    """As those are that Trac makes itself."""
    weak = Whole(10, b'W/"a, b"', MODIFIED)
    assert 304 == asked(b'If-None-Match: W/"a, b"', file=weak).status
    assert 412 == asked(b'If-Match: W/"a, b"', file=weak).status
    assert 200 == asked(b'If-Range: W/"a, b"', b"Range: bytes=0-1", file=weak).status


def test_a_date_within_the_second_of_the_change_proves_nothing() -> None:
    """The file may have been changed again since the client got its part."""
    lines = (b"If-Range: " + MODIFIED, b"Range: bytes=0-1")
    assert 200 == asked(*lines, now=CHANGED + 0.5).status
    assert 206 == asked(*lines, now=CHANGED + 2).status


def test_dates_say_nothing_of_a_file_that_has_none() -> None:
    """It may have been changed at any time."""
    undated = Whole(10, b'"a"')
    for name in (b"If-Modified-Since", b"If-Unmodified-Since", b"If-Range"):
        assert 200 == asked(name + b": " + MODIFIED, file=undated).status


def test_dates_are_read_in_three_forms_and_no_others() -> None:
    """And none of the others is an error."""
    assert CHANGED == seconds_of(MODIFIED)
    wrongs = (b"", b"Sun, 06 Nov 1994 08:49:37 +0200", b"\xff", b"1 2 3", b"Sun, 06 Nov 99999999999999 08:49:37 GMT")
    for wrong in wrongs:
        assert seconds_of(wrong) is None


# -- the other fields


FIELDS = [
    (b"Content-Type", b"text/plain"),
    (b"Content-Length", b"0"),
    (b"Content-Disposition", b"attachment"),
    (b"Cache-Control", b"private"),
    (b"Set-Cookie", b"a=b"),
    (b"Last-Modified", MODIFIED),
]


def names(selected: Selected) -> list[bytes]:
    """Give the names of the fields that go with an answer."""
    return [name for name, _ in selected.fields(FIELDS)]


def test_fields_of_the_whole_go_with_parts_but_for_what_is_replaced() -> None:
    """The parts of several have their types themselves."""
    assert [name for name, _ in FIELDS if name != b"Content-Length"] == names(asked())
    assert names(asked()) == names(asked(b"Range: bytes=0-1"))
    assert [b"Content-Disposition", b"Cache-Control", b"Set-Cookie", b"Last-Modified"] == names(
        asked(b"Range: bytes=0-1,-1")
    )


@pytest.mark.parametrize("line", [b"If-None-Match: *", b'If-Match: "x"', b"Range: bytes=10000-"])
def test_nothing_is_said_of_a_body_that_does_not_come(line: bytes) -> None:
    """What is said of caching and cookies holds."""
    assert [b"Cache-Control", b"Set-Cookie", b"Last-Modified"] == names(asked(line))


# -- whatever is asked


specs = st.one_of(
    st.builds(lambda first, length: b"%d-%d" % (first, first + length), st.integers(0, 4000), st.integers(0, 2000)),
    st.builds(lambda first: b"%d-" % first, st.integers(0, 4000)),
    st.builds(lambda last: b"-%d" % last, st.integers(0, 4000)),
)
range_fields = st.lists(specs, min_size=1, max_size=40).map(lambda found: b"bytes=" + b",".join(found))


@given(range_fields, st.integers(0, 4000))
def test_parts_lie_inside_the_file_and_never_come_to_more_than_it(field: bytes, size: int) -> None:
    """And none could as well be joined with another."""
    for part in (ranges := ranges_of(field, size) or []):
        assert 0 <= part.start < part.stop <= size
    assert sum(map(len, ranges)) <= size
    assert len(ranges) <= MOST_RANGES
    ordered = sorted(ranges, key=lambda each: each.start)
    for one, other in pairwise(ordered):
        assert one.stop + OVERHEAD < other.start


@given(range_fields, st.binary(max_size=4000))
def test_every_byte_that_was_asked_for_comes_and_the_length_is_true(field: bytes, file: bytes) -> None:
    """Of whatever ranges, of whatever file."""
    selected = asked(b"Range: " + field, file=Whole(len(file), b'"a"', content_type=b"a/b"))
    body = content(selected, file)
    if selected.status != 206:
        assert (body == file) if selected.status == 200 else (selected.status, body) == (416, b"")
        assert str(len(body)) == lines_of(selected)["Content-Length"]
        return
    assert str(len(body)) == lines_of(selected)["Content-Length"]
    sent = {place for piece in selected.body if isinstance(piece, range) for place in piece}
    for spec in field.removeprefix(b"bytes=").split(b","):
        first, _, last = spec.partition(b"-")
        if first:
            wanted = set(range(int(first), min(int(last or len(file)) + 1, len(file))))
        else:
            wanted = set(range(max(0, len(file) - int(last)), len(file)))
        assert wanted <= sent
    if len(selected.body) > 1:
        parts = body.split(b"\r\n--" + BOUNDARY)
        assert b"--\r\n" == parts[-1] or b"--\r\n" == body[-4:]


@given(st.lists(st.tuples(st.sampled_from(["Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since"]),
                          st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30))))  # fmt: skip
def test_nothing_a_client_says_breaks_it(said: list[tuple[str, str]]) -> None:
    """There is an answer to everything."""
    selected = asked(*(f"{name}: {value}".encode("latin-1") for name, value in said))
    assert selected.status in (200, 206, 304, 412, 416)
    assert selected.size <= 10_000 + MOST_RANGES * 200
