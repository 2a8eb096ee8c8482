"""The sample project's git repository: its sources, grown commit by commit, through one ``git fast-import``."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from string import Template

from sample import content

SOURCES = ("constituents", "station", "forecast", "warnings", "render", "__main__")
STATION_FILE = Template(
    'name = "${station}"\nmean_level = ${mean}\nwarn_above = ${warn}\n\n[waves]\n'
    "M2 = [${m2}, ${p1}]\nS2 = [${s2}, ${p2}]\nN2 = [${n2}, ${p3}]\nK1 = [${k1}, ${p4}]\n"
)


@dataclass(frozen=True)
class Change:
    """A file as a commit leaves it."""

    path: str
    text: str
    message: str


def available() -> bool:
    """Tell whether git is there."""
    return shutil.which("git") is not None


def create(path: Path, rng: random.Random, dates: list[datetime], tickets: int) -> None:
    """Make a bare repository with one commit for each date, oldest first."""
    git(path.parent, "init", "--quiet", "--bare", str(path))
    git(path, "symbolic-ref", "HEAD", "refs/heads/main")
    stream = b"".join(_commits(rng, dates, tickets))
    git(path, "fast-import", "--quiet", stream=stream)


def git(folder: Path, *arguments: str, stream: bytes | None = None) -> None:
    """Run git in a folder, untouched by the repository that it is called from."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(("git", *arguments), cwd=folder, input=stream, env=environment, check=True)


def _commits(rng: random.Random, dates: list[datetime], tickets: int) -> Iterator[bytes]:
    changes = _changes(rng, len(dates), tickets)
    for number, date in enumerate(dates):
        begin, end = (len(changes) * each // len(dates) for each in (number, number + 1))
        message = f"{changes[begin].message}\n\nRefs #{rng.randint(1, tickets)}."
        yield _commit(rng.choice(content.AUTHORS), date, message, changes[begin:end])


def _commit(author: content.Person, date: datetime, message: str, changes: list[Change]) -> bytes:
    who = f"{author.name} <{author.login}@tidewatch.example> {int(date.timestamp())} +0000"
    head = f"commit refs/heads/main\nauthor {who}\ncommitter {who}\n".encode()
    files = [f"M 100644 inline {change.path}\n".encode() + _data(change.text) for change in changes]
    return head + _data(message) + b"".join(files)


def _data(text: str) -> bytes:
    data = text.encode()
    return b"data %d\n%s\n" % (len(data), data)


def _changes(rng: random.Random, wanted: int, tickets: int) -> list[Change]:
    """Give at least ``wanted`` changes: sources and stations in turn, then stations corrected again and again."""
    folder = content.HERE / "project"
    changes = [Change("README.md", (folder / "README.md").read_text(encoding="utf-8"), "Say what this is")]
    stations = 0
    for name in SOURCES:
        changes += _growth(f"tidewatch/{name}.py", (folder / f"tidewatch/{name}.py").read_text(encoding="utf-8"))
        changes += [_station(rng, number, tickets) for number in range(stations, stations + 3)]
        stations += 3
    while len(changes) < wanted:
        changes.append(_station(rng, stations, tickets))
        stations += 1
    return changes


def _growth(path: str, source: str) -> Iterator[Change]:
    """Let a source file grow by one top-level definition at a time."""
    blocks = source.split("\n\n\n")
    for number in range(1, len(blocks) + 1):
        sentence = re.search(r'"""(.+?)(\.|;|"""|$)', blocks[number - 1], re.MULTILINE)
        about = sentence[1] if sentence else "tell how to run it"
        text = "\n\n\n".join(blocks[:number]).rstrip("\n") + "\n"
        yield Change(path, text, f"{Path(path).stem.strip('_')}: {about[0].lower()}{about[1:]}")


def _station(rng: random.Random, number: int, tickets: int) -> Change:
    station, country, high = content.HARBOURS[number % len(content.HARBOURS)]
    words = content.station_words(rng, station, country, high, tickets)
    verb = "add" if number < len(content.HARBOURS) else "correct"
    return Change(f"stations/{station.lower()}.toml", STATION_FILE.substitute(words), f"stations: {verb} {station}")
