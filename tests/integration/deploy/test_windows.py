"""``deploy/windows``: what can be said of it without Windows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from tests.processes import ROOT

FOLDER = ROOT / "deploy" / "windows"
ELEMENTS = {
    "id", "name", "description", "executable", "arguments", "workingdirectory", "env", "serviceaccount", "username",
    "startmode", "stoptimeout", "onfailure", "resetfailure", "logpath", "log", "sizeThreshold", "keepFiles", "service",
}  # fmt: skip
"""What WinSW's own documentation has, for versions 2 and 3 alike, as far as it is of use here."""


def test_each_file_says_first_that_it_was_not_tried() -> None:
    """Nobody should find out by himself."""
    files = list(FOLDER.iterdir())
    assert {"tracd-cluster.toml", "tracd-cluster.xml"} == {path.name for path in files}
    for path in files:
        assert "NOT TRIED ON WINDOWS" in path.read_text().splitlines()[0]


def test_the_service_file_is_well_formed() -> None:
    """It has elements that WinSW knows, and starts us with the options beside it."""
    tree = ElementTree.parse(FOLDER / "tracd-cluster.xml")
    assert {element.tag for element in tree.iter()} <= ELEMENTS
    found = {element.tag: element.text or "" for element in tree.getroot()}
    assert "tracd-cluster" == found["id"]
    assert ["--config", rf"{found['workingdirectory']}\tracd-cluster.toml"] == found["arguments"].split(" ")
    assert found["executable"].endswith(r"\tracd-cluster.exe")
    assert int(found["stoptimeout"].removesuffix(" sec")) > 30


def test_the_options_are_ones_that_there_are(tmp_path: Path) -> None:
    """They are read and understood here; and the command is one that stock tracd understands too."""
    done = subprocess.run(
        [sys.executable, "-m", "tracd_cluster.cli", "--config", str(FOLDER / "tracd-cluster.toml"), "--show-config"],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    shown = re.search(r"(?m)^worker-command = (.*)  # ", done.stdout)
    assert shown is not None, done.stdout
    words = shlex.split((FOLDER / "tracd-cluster.toml").read_text().split("worker-command = ")[1].splitlines()[0])[
        0
    ].split()
    usage = subprocess.run(
        [Path(sys.executable).with_name(words[0]), "--help"], capture_output=True, text=True, timeout=30, check=False
    ).stdout
    for word in words:
        assert not word.startswith("--") or word in usage, word
