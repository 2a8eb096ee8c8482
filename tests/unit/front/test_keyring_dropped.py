"""Certificates after root's privileges are gone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import time

import pytest
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import provider

from tests.certificates import issue, write_certbots
from tracd_cluster.front.keyring import LOOK, Keyring
from tracd_cluster.settings.front import TlsSettings

NOBODY = 65534

pytestmark = pytest.mark.needs("root")


@pytest.fixture
def everyones_folder() -> Iterator[Path]:
    """A folder that all users may enter, which those of pytest are not."""
    with tempfile.TemporaryDirectory(prefix="tracd-cluster-") as name:
        os.chmod(name, 0o755)
        yield Path(name)


def looks_of_nobody(live: Path) -> str:
    """Read a folder as root, become nobody, look some times, and give what was logged; in a process of its own."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:

        @provider(ILogObserver)
        def observe(event: LogEvent) -> None:
            os.write(theirs, formatEvent(event).encode() + b"\n")

        try:
            now = time()
            keyring = Keyring(TlsSettings(folder=str(live)), lambda certificates, authorities: None)
            keyring.read(now)
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            globalLogPublisher.addObserver(observe)
            for number in range(1, 6):
                keyring.look(now + LOOK * number)
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as reader:
        said = reader.read()
    os.waitpid(child, 0)
    return said


@pytest.mark.parametrize(("closed", "cure"), [("live", "g+rx"), ("live/a", "g+rx"), ("live/a/privkey.pem", "g+r")])
def test_what_cannot_be_read_any_more_is_told_once_with_the_cure(
    everyones_folder: Path, closed: str, cure: str
) -> None:
    """A renewal would be missed in silence; the message can be typed in."""
    write_certbots(everyones_folder / "live" / "a", issue("localhost"))
    path = everyones_folder / closed
    path.chmod(0o700 if path.is_dir() else 0o600)
    said = looks_of_nobody(everyones_folder / "live").splitlines()
    assert 1 == len(said), said
    assert "Permission denied as user nobody; let its group in (chgrp nogroup " in said[0]
    assert f"(chgrp nogroup {path} && chmod {cure} {path})" in said[0]
    assert said[0].endswith("; what was read before stays in force")


def test_what_can_be_read_is_worth_no_word(everyones_folder: Path) -> None:
    """Nothing has changed but who looks."""
    write_certbots(everyones_folder / "live" / "a", issue("localhost"))
    assert "" == looks_of_nobody(everyones_folder / "live")
