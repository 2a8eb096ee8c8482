"""Who teaches, what is remembered, and when it is forgotten."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.front.static import CSS, PATH, load_now
from tracd_cluster.front.admission import Admission, Origin
from tracd_cluster.front.compressed import Loaded
from tracd_cluster.front.head import Head
from tracd_cluster.front.learned import LOAD_AGAIN, LOOK, Learned, impersonal
from tracd_cluster.rewrite.headers import Field
from tracd_cluster.settings.static import StaticSettings
from tracd_cluster.tracd.naming import line_of

FIELDS = [(b"Content-Type", b"text/css"), (b"Last-Modified", b"Thu, 26 Nov 2026 00:00:00 GMT")]


class NoOrigin:
    """Somebody."""

    address, trusted, scheme, here, identity = "10.0.0.1", False, b"http", (b"x", 80), b""
    certified_user, redirect_port = b"", 0


def head_of(target: bytes = PATH, *fields: Field, method: bytes = b"GET") -> Head:
    """Make a request's head."""
    return Head(method, "1.1", target, [(b"Host", b"x"), *fields])


def admission(user: bytes = b"") -> Admission:
    """Let somebody in."""
    found = Admission(NoOrigin())
    found.user = user
    return found


def name_of(path: Path) -> bytes:
    """Give what a worker says of a file."""
    with path.open("rb") as file:
        return line_of(file, os.fstat(file.fileno()).st_size).partition(b": ")[2].strip()


class School:
    """A map, what it has asked for, and files to learn of."""

    def __init__(self, folder: Path, learned: Learned | None = None) -> None:
        self.folder = folder
        self.stats = 0
        self.learned = learned or Learned(b"", True, load_now, self.stat)
        self.asked: list[tuple[bytes, bytes | None]] = []
        self.learned.ask = self._ask
        self.now = 1000.0

    def _ask(self, path: bytes, host: bytes | None, origin: Origin) -> None:
        self.asked.append((path, host))

    def stat(self, path: bytes) -> os.stat_result:
        self.stats += 1
        return os.stat(path)

    def put(self, name: str = "a.css", data: bytes = CSS) -> Path:
        """Write a file."""
        path = self.folder / name
        path.write_bytes(data)
        return path

    def learn(
        self, file: Path, *request: Field, target: bytes = PATH, user: bytes = b"", fields: list[Field] = FIELDS
    ) -> None:
        """Let a worker name a file for a request."""
        self.learned.learn(head_of(target, *request), admission(user), name_of(file), list(fields))

    def knows(self, target: bytes = PATH, method: bytes = b"GET") -> bytes | None:
        """Give the file that is known for a request."""
        entry = self.learned.find(head_of(target, method=method), self.now)
        return entry.named.path if entry is not None else None


@pytest.fixture
def school(tmp_path: Path) -> School:
    """One that knows nothing yet."""
    return School(tmp_path)


def test_what_a_stranger_got_is_known(school: School) -> None:
    """For GET and HEAD, and for nothing that could change something."""
    file = school.put()
    assert school.knows() is None
    school.learn(file, (b"User-Agent", b"wget"), (b"Accept-Encoding", b"gzip"))
    assert os.fsencode(file) == school.knows() == school.knows(method=b"HEAD")
    assert school.knows(method=b"POST") is None
    assert school.knows(b"/chrome/site/b.css") is None
    assert [] == school.asked


@pytest.mark.parametrize(
    "field",
    [
        (b"Cookie", b"trac_auth=1"),
        (b"Authorization", b"Basic eDp5"),
        (b"X-API-Key", b"1"),
        (b"X-Auth-Token", b"1"),
        (b"Via", b"1.1 x"),
    ],
)
def test_what_somebody_got_is_asked_for_again(school: School, field: Field) -> None:
    """It may be for them alone; so the front asks as a stranger."""
    school.learn(school.put(), field)
    assert school.knows() is None
    assert [(PATH, b"x")] == school.asked


def test_who_has_signed_in_teaches_nothing(school: School) -> None:
    """Whatever told the gate who that is: a certificate needs no field."""
    school.learn(school.put(), user=b"joe")
    assert school.knows() is None
    assert 1 == len(school.asked)
    assert not impersonal(head_of(), admission(b"joe"))


@pytest.mark.parametrize(
    ("base_path", "single", "target", "expected"),
    [
        (b"", True, b"/chrome/common/a.css", True),
        (b"", True, b"/project/chrome/common/a.css", False),
        (b"", True, b"/chrome/", False),
        (b"", True, b"/chrome", False),
        (b"", True, b"/chromes/common/a.css", False),
        (b"", True, b"/wiki/chrome/a.css", False),
        (b"", False, b"/project/chrome/common/a.css", True),
        (b"", False, b"/chrome/common/a.css", False),
        (b"", False, b"/chrome/chrome/common/a.css", True),
        (b"", False, b"//chrome/common/a.css", False),
        (b"", False, b"/project/wiki/chrome/a.css", False),
        (b"/trac", True, b"/trac/chrome/common/a.css", True),
        (b"/trac", True, b"/chrome/common/a.css", False),
        (b"/t.c", True, b"/tac/chrome/common/a.css", False),
        (b"/trac", False, b"/trac/project/chrome/common/a.css", True),
        (b"/trac", False, b"/trac/chrome/common/a.css", False),
    ],
)
def test_only_static_files_are_learned(
    tmp_path: Path, base_path: bytes, single: bool, target: bytes, expected: bool
) -> None:
    """Trac asks who may see an attachment each time, whatever it is called."""
    school = School(tmp_path, Learned(base_path, single, load_now))
    school.learn(school.put(), target=target)
    assert expected is (school.knows(target) is not None)
    school.learn(school.put(), (b"Cookie", b"a=b"), target=target)
    assert expected is bool(school.asked)


@pytest.mark.parametrize(
    "field",
    [
        (b"Cache-Control", b"private"),
        (b"cache-control", b"max-age=3, No-Store"),
        (b"Vary", b"Accept-Language"),
        (b"Vary", b"*"),
        (b"Content-Encoding", b"gzip"),
    ],
)
def test_what_is_not_for_everybody_is_not_learned(school: School, field: Field) -> None:
    """The answer says so."""
    school.learn(school.put(), fields=[*FIELDS, field])
    assert school.knows() is None


def test_a_file_is_looked_at_once_a_second(school: School) -> None:
    """And not more often, however many ask; once it is another one, a worker is asked."""
    file = school.put()
    school.learn(file)
    school.knows()
    before = school.stats
    for _ in range(100):
        assert school.knows() is not None
    assert before == school.stats
    school.now += LOOK
    assert school.knows() is not None
    assert before + 1 == school.stats
    file.write_bytes(CSS + b" ")
    assert school.knows() is not None
    school.now += LOOK
    assert school.knows() is None
    assert 0 == school.learned.addresses


def test_a_file_that_has_gone_is_forgotten(school: School) -> None:
    """And so is one that has become something else."""
    file = school.put()
    for folder in (False, True):
        school.learn(school.put())
        school.knows()
        file.unlink()
        if folder:
            file.mkdir()
        school.now += LOOK
        assert school.knows() is None


def test_a_file_that_is_another_one_by_now_is_not_learned(school: School) -> None:
    """Between the worker's look and ours."""
    file = school.put()
    said = name_of(file)
    file.write_bytes(CSS + b" ")
    school.learned.learn(head_of(), admission(), said, FIELDS)
    assert school.knows() is None


def test_a_query_does_not_matter_once_that_has_been_seen(school: School) -> None:
    """Note [Queries]: a worker has to name the same file for some query first."""
    file = school.put()
    school.learn(file, target=PATH + b"?v=1")
    assert school.knows() is None
    assert [(PATH, b"x")] == school.asked
    school.learn(file)
    assert school.knows(PATH + b"?v=1") is None
    school.learn(file, (b"Cookie", b"a=b"), target=PATH + b"?v=1")
    assert school.knows(PATH + b"?v=2") is not None
    assert school.knows(PATH + b"?") is not None


def test_a_query_that_matters_is_never_learned(school: School) -> None:
    """Nor its path without one, as long as this generation lasts."""
    school.learn(school.put())
    school.learn(school.put("b.css"), target=PATH + b"?style=b")
    assert school.knows() is None
    school.learn(school.put())
    assert school.knows() is None
    school.learned.forget()
    school.learn(school.put())
    assert school.knows() is not None


def test_all_is_forgotten_at_once(school: School) -> None:
    """With a new generation, and with new settings; what is in memory is found again there."""
    loads: list[bytes] = []

    def load(path: bytes, *rest: object) -> None:
        loads.append(path)
        load_now(path, *rest)  # type: ignore[arg-type]

    school.learned._load = load
    file = school.put()
    changes: list[Callable[[], None]] = [school.learned.forget, lambda: school.learned.take(StaticSettings())]
    for change in changes:
        school.learn(file)
        assert school.knows() is not None
        change()
        assert school.knows() is None
    assert 1 == len(loads)


def test_addresses_are_bounded(school: School) -> None:
    """The one that nobody has wanted for longest goes."""
    school.learned.take(StaticSettings(entries=3))
    file = school.put()
    targets = [b"/chrome/site/%d.css" % number for number in range(5)]
    for target in targets[:3]:
        school.learn(file, target=target)
    school.now += LOOK
    assert school.knows(targets[0]) is not None
    for target in targets[3:]:
        school.learn(file, target=target)
    assert [True, False, False, True, True] == [school.knows(target) is not None for target in targets]
    assert 3 == school.learned.addresses


def test_memory_is_bounded(school: School) -> None:
    """The file that nobody has wanted for longest goes from memory, and its address is known still."""
    files = [school.put(f"{number}.bin", os.urandom(4000)) for number in range(4)]
    school.learned.take(StaticSettings(memory=10_000))
    targets = [b"/chrome/site/%d.bin" % number for number in range(4)]
    octets = [(b"Content-Type", b"application/octet-stream")]
    for file, target in zip(files[:2], targets, strict=False):
        school.learn(file, target=target, fields=octets)
    school.now += LOOK
    assert school.knows(targets[0]) is not None
    school.learn(files[2], target=targets[2], fields=octets)
    assert 8000 == school.learned.size
    found = [school.learned.find(head_of(target), school.now) for target in targets[:3]]
    assert [True, False, True] == [bool(entry and entry.forms) for entry in found]

    school.now += LOAD_AGAIN + LOOK
    assert school.knows(targets[1]) is not None
    assert found[1] is not None
    assert found[1].forms, "it may come back"
    assert 8000 == school.learned.size
    school.learned.take(StaticSettings(memory=0))
    assert 0 == school.learned.size
    assert not found[1].forms


@pytest.mark.parametrize("settings", [StaticSettings(memory=0), StaticSettings(largest=len(CSS) - 1)])
def test_what_is_too_large_is_known_and_not_in_memory(school: School, settings: StaticSettings) -> None:
    """It is sent from disk."""
    school.learned.take(settings)
    school.learn(school.put())
    entry = school.learned.find(head_of(), school.now)
    assert entry is not None
    assert not entry.forms
    assert 0 == school.learned.size


def test_a_file_of_several_projects_is_in_memory_once(tmp_path: Path) -> None:
    """Trac's own are at an address of each."""
    school = School(tmp_path, Learned(b"", False, load_now))
    file = school.put()
    for project in (b"one", b"two", b"three"):
        school.learn(file, target=b"/%b/chrome/common/a.css" % project)
    size = school.learned.size
    assert len(CSS) < size < 2 * len(CSS)
    bodies = [
        entry.plain.body
        for project in (b"one", b"two", b"three")
        if (entry := school.learned.find(head_of(b"/%b/chrome/common/a.css" % project), school.now))
    ]
    assert 3 == len(bodies)
    assert bodies[0] is bodies[1] is bodies[2]


def test_a_file_that_comes_into_memory_late_is_still_bounded(school: School) -> None:
    """Its address may have been forgotten while it was compressed."""
    waiting: list[Callable[[Loaded | None], object]] = []
    school.learned._load = lambda path, identity, compress, told: waiting.append(told)
    school.learn(school.put())
    entry = school.learned.find(head_of(), school.now)
    assert entry is not None
    assert not entry.forms
    school.learned.forget()
    waiting[0](Loaded(CSS, {}))
    assert not entry.forms
    assert len(CSS) == school.learned.size
    waiting[0](None)
    assert len(CSS) == school.learned.size


def test_its_name_shows_how_much_there_is(school: School) -> None:
    """For a log, or a status page."""
    school.learn(school.put())
    assert f"<Learned 1 addresses, 1 files of {school.learned.size} bytes>" == repr(school.learned)
