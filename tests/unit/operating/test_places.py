"""Where a service's control socket is, and which folders are safe for one."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from tracd_cluster.errors import StartError
from tracd_cluster.operating import places


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("tcp:port=80:backlog=1024", "80"),
        ("tcp:8080:interface=10.0.0.1", "10.0.0.1-8080"),
        ("tcp:port=8000:interface=127.0.0.1:backlog=1024", "127.0.0.1-8000"),
        (r"tcp6:port=8000:interface=\:\:1:backlog=1024", "1-8000"),
        ("tcp:port=0:interface=127.0.0.1", "pid-77"),
        ("unix:address=/run/trac/web.sock:mode=660", "run-trac-web.sock"),
        ("unix:/run/web", "run-web"),
        ("../../etc", "etc"),
        ("://", "service"),
        ("haproxy:" + "x" * 200, "x" * 40),
    ],
)
def test_a_service_is_named_after_where_it_listens(description: str, name: str) -> None:
    """As a person would write it, and never a path."""
    assert name == places.name_of(description, 77)


def test_what_systemd_opened_is_named_as_if_we_had() -> None:
    """So the same configuration leads to it."""
    four, six = IPv4Address("TCP", "10.0.0.1", 80), IPv6Address("TCP", "::", 80)
    assert "10.0.0.1-80" == places.name_of(places.description_of(four), 1)
    assert "80" == places.name_of(places.description_of(six), 1)
    assert "1-80" == places.name_of(places.description_of(IPv6Address("TCP", "::1", 80)), 1)
    assert "run-web" == places.name_of(places.description_of(UNIXAddress("/run/web")), 1)


def test_the_base_is_that_of_the_user() -> None:
    """Systemd's word first; a user without any folder of the kind gets one in /tmp."""
    runtime = {"RUNTIME_DIRECTORY": "/run/a:/run/b", "XDG_RUNTIME_DIR": "/run/user/7"}
    assert "/run/a" == places.base_for(runtime, 0)
    assert ["/run/a"] == places.bases_to_search(runtime, 7)
    assert "/run/tracd-cluster" == places.base_for({}, 0)
    xdg = {"XDG_RUNTIME_DIR": "/run/user/7"}
    assert "/run/user/7/tracd-cluster" == places.base_for(xdg, 7)
    assert "/tmp/tracd-cluster-7" == places.base_for({}, 7)
    expected = ["/run/tracd-cluster", "/run/user/7/tracd-cluster", "/tmp/tracd-cluster-7"]
    assert expected == places.bases_to_search(xdg, 7)


def test_sockets_are_found_in_folders_of_folders_too(tmp_path: Path) -> None:
    """And nothing else is taken for one."""
    for name in ("80", "b/81", "c"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "c" / "ctl.sock").touch()
    (tmp_path / "link").symlink_to(tmp_path / "80")
    expected = [str(tmp_path / "80" / "ctl.sock"), str(tmp_path / "b" / "81" / "ctl.sock")]
    for path in expected:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path)
    assert expected == places.sockets_in([str(tmp_path), str(tmp_path / "none")])


def test_a_folder_is_made_for_nobody_else(tmp_path: Path) -> None:
    """It may be there already, if it is as we would have made it."""
    folder = tmp_path / "base" / "80"
    for _ in range(2):
        places.prepare(str(folder), None)
        assert 0o700 == stat.S_IMODE(folder.stat().st_mode)
    folder.chmod(0o750)
    with pytest.raises(StartError, match="not a folder that only we can enter"):
        places.prepare(str(folder), None)


def test_folders_that_others_could_have_their_way_in(tmp_path: Path) -> None:
    """A link, a file, a folder that everybody may write to."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").touch()
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    expected = {"link": "not a folder", "file": "not a folder", "open": "written by others", "none": "No such"}
    for name, why in expected.items():
        with pytest.raises(StartError, match=why):
            places.check_folder(str(tmp_path / name))
    assert os.geteuid() == places.check_folder(str(tmp_path / "real"))
