"""Heads and bodies of one file in all its forms."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.front.static import CSS
from tracd_cluster.front.compressed import Loaded, identity_of, load
from tracd_cluster.front.forms import YEAR, Entry, Freshness, shared
from tracd_cluster.front.named import Named
from tracd_cluster.rewrite.headers import Field

FIELDS: list[Field] = [(b"Content-Type", b"text/css"), (b"Last-Modified", b"Thu, 26 Nov 2026 00:00:00 GMT")]


def entry_of(path: Path, fields: list[Field] = FIELDS) -> tuple[Entry, Loaded]:
    """Make an entry, and have its file in memory."""
    path.write_bytes(CSS)
    stat = path.stat()
    named = Named(os.fsencode(path), stat.st_size, stat.st_mtime_ns, stat.st_dev, stat.st_ino)
    entry = Entry(named, identity_of(stat), fields, (b"", b""))
    loaded = load(named.path, entry.identity, entry.compress)
    assert loaded is not None
    entry.put(loaded)
    return entry, loaded


def test_each_coding_has_a_head_of_its_own(tmp_path: Path) -> None:
    """Another entity tag, another length, and the word that there are several."""
    entry, loaded = entry_of(tmp_path / "a.css")
    tags = set()
    for coding, form in entry.forms.items():
        lines = form.head.split(b"\r\n")
        assert b"HTTP/1.1 200 OK" == lines[0]
        assert 1 == lines.count(b"Content-Length: %d" % len(form.body))
        assert 1 == lines.count(b"Vary: Accept-Encoding")
        assert (coding != b"identity") is (b"Content-Encoding: " + coding in lines)
        tags |= {line for line in lines if line.startswith(b"ETag: ")}
        assert all(line.endswith(b'"') and b"W/" not in line for line in tags)
    assert 3 == len(tags) == len(entry.forms)
    assert loaded.plain is entry.plain.body


def test_a_picture_does_not_vary(tmp_path: Path) -> None:
    """There is one form of it."""
    entry, _ = entry_of(tmp_path / "a.png", [(b"Content-Type", b"image/png")])
    assert [b"identity"] == list(entry.forms)
    assert b"Vary" not in entry.plain.head
    assert b"Vary" not in dict(entry.fields(b""))


def test_a_tag_of_the_workers_own_is_kept(tmp_path: Path) -> None:
    """And has its forms too."""
    entry, _ = entry_of(tmp_path / "a.css", [*FIELDS, (b"ETag", b'"mine"')])
    assert b'\r\nETag: "mine"\r\n' in entry.plain.head
    assert b'\r\nETag: "mine-gzip"\r\n' in entry.forms[b"gzip"].head


def test_what_left_memory_is_not_held_there(tmp_path: Path) -> None:
    """By anybody."""
    entry, loaded = entry_of(tmp_path / "a.css")
    assert {entry} == loaded.entries
    entry.leave()
    assert set() == loaded.entries
    assert {} == entry.forms
    assert not entry.current
    entry.leave()


def test_what_is_shared() -> None:
    """What the operator has Trac say to everybody is said; what is one visitor's is not."""
    fields = [
        *FIELDS,
        (b"Set-Cookie", b"trac_session=1"),
        (b"Date", b"now"),
        (b"X-Frame-Options", b"DENY"),
        (b"Vary", b"accept-encoding"),
        (b"Content-Length", b"1"),
        (b"Connection", b"close"),
        (b"Tracd-Cluster-File", b"/secret"),
        (b"X-Request-ID", b"7-1"),
        (b"Cache-Control", b"max-age=3"),
    ]
    assert [*FIELDS, (b"X-Frame-Options", b"DENY"), (b"Cache-Control", b"max-age=3")] == shared(fields)
    assert shared([(b"Vary", b"Cookie")]) is None


@pytest.mark.parametrize(
    ("path", "hashed"),
    [
        (b"/chrome/site/a.0a1b2c3d.css", True),
        (b"/chrome/site/a-0a1b2c3d4e5f.min.js", True),
        (b"/chrome/site/a-0a1b2c3d", True),
        (b"/chrome/site/a.0a1b2c3.css", False),
        (b"/chrome/0a1b2c3d/a.css", False),
        (b"/chrome/a.0a1b2c3d.d/a.css", False),
        (b"/chrome/site/a-0a1b2c3dx.css", False),
        (b"/chrome/site/a-0A1B2C3D.css", False),
    ],
)
def test_a_name_with_a_hash_lasts(path: bytes, hashed: bool) -> None:
    """Once the operator has said that anything does."""
    how = b"max-age=%d, immutable" % YEAR if hashed else b"max-age=60"
    lines = Freshness(60).lines(path, [])
    assert (b"Cache-Control: public, %b\r\n" % how, b"Cache-Control: private, %b\r\n" % how) == lines
    assert (b"", b"") == Freshness(0).lines(path, [])


def test_one_voice_tells_how_long_a_file_lasts() -> None:
    """The option's, if it is given; otherwise Trac's."""
    fields = [*FIELDS, (b"Cache-Control", b"no-cache"), (b"Expires", b"0"), (b"Pragma", b"no-cache")]
    kept = list(fields)
    Freshness(0).lines(b"/a", kept)
    assert fields == kept
    Freshness(60).lines(b"/a", kept)
    assert FIELDS == kept


def test_from_disk_it_has_the_same_fields(tmp_path: Path) -> None:
    """Tag, Vary and how long it lasts."""
    path = tmp_path / "a.css"
    entry, _ = entry_of(path)
    entry.private = b"Cache-Control: private, max-age=60\r\n"
    fields = dict(entry.fields(b"joe"))
    assert b"private, max-age=60" == fields[b"Cache-Control"]
    assert b"Accept-Encoding" == fields[b"Vary"]
    assert b"\r\nETag: %b\r\n" % fields[b"ETag"] in entry.plain.head
    assert b"Cache-Control" not in dict(entry.fields(b""))
