"""The wheel, as somebody installs it: with the plugin in it, found by twistd."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.processes import ROOT

DESCRIPTION = "Trac over HTTP: a front and a pool of warm workers."


def run(*argv: str | Path, folder: Path) -> str:
    """Run a program away from the work tree, and give what it printed."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [str(each) for each in argv],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{argv}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built with what is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT, folder=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment with the wheel, which finds its dependencies where the tests find theirs."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", folder=folder)
    python = folder / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", str(python)]
    run(*pip, "install", "--no-deps", wheel, folder=folder)
    (site_packages,) = (folder / "venv").glob("lib/python*/site-packages")
    # A line in a .pth file adds a folder, but not what .pth files in there add: not the work tree.
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_it_holds_the_package_and_the_plugin_and_nothing_else(wheel: Path) -> None:
    """Installing it changes nothing of Twisted and leaves no tests behind."""
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert {"tracd_cluster", "twisted"} == {name.split("/")[0] for name in names}
    assert ["twisted/plugins/tracd_cluster_plugin.py"] == [name for name in names if name.startswith("twisted/")]
    assert "tracd_cluster/py.typed" in names
    assert {"index.html", "admin.js", "admin.css", "icon.svg"} == {
        name.rpartition("/")[2] for name in names if name.startswith("tracd_cluster/admin/pages/")
    }


def test_the_installed_package_is_the_one_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    """What follows is about the wheel and not about the work tree."""
    found = run(installed, "-c", "import tracd_cluster; print(tracd_cluster.__file__)", folder=tmp_path)
    assert Path(found.strip()).is_relative_to(installed.parent.parent)


def test_twistd_lists_the_command_with_its_description(installed: Path, tmp_path: Path) -> None:
    """Whoever looks for it finds it in ``twistd --help``."""
    twistd = "from twisted.scripts.twistd import run; run()"
    listed = run(installed, "-c", twistd, "--help", folder=tmp_path)
    assert [f"tracd-cluster      {DESCRIPTION}"] == [
        line.strip() for line in listed.splitlines() if "tracd-cluster" in line
    ]


def test_the_command_tells_of_its_options(installed: Path, tmp_path: Path) -> None:
    """The command line is there without the work tree."""
    twistd = "from twisted.scripts.twistd import run; run()"
    told = run(installed, "-c", twistd, "tracd-cluster", "--help", folder=tmp_path)
    assert "--workers" in told


def test_trac_finds_the_plugin_for_remote_user(installed: Path, tmp_path: Path) -> None:
    """An administrator only has to enable it."""
    program = (
        "from importlib.metadata import entry_points\n"
        "print(*{entry.load().RemoteUser.__name__ for entry in entry_points(group='trac.plugins')"
        " if entry.value.startswith('tracd_cluster')})"
    )
    assert "RemoteUser" == run(installed, "-W", "ignore", "-c", program, folder=tmp_path).strip()
