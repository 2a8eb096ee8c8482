"""When systemd is told what."""

from __future__ import annotations

import socket
from pathlib import Path

from tracd_cluster.operating.systemd import Herald, Manager, Notifier, Seen, take_manager, variables_of


def test_what_systemd_has_put_there_is_taken_out() -> None:
    """No child may speak for us; a successor is told by us."""
    variables = {
        "NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7", "LISTEN_FDS": "1",
        "LISTEN_FDNAMES": "web", "PATH": "/bin",
    }  # fmt: skip
    manager = take_manager(variables, 7)
    assert Manager("/run/notify", 30.0) == manager
    assert {"PATH": "/bin"} == variables
    assert {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "30000000"} == variables_of(manager)
    assert manager == take_manager(variables_of(manager), 8)
    assert {} == variables_of(None)


def test_a_watchdog_of_another_process_is_none_of_ours() -> None:
    """Nor is an address of a kind that nobody knows."""
    watched = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "6"}
    assert Manager("@x", 0.0) == take_manager(watched, 7)
    assert Manager("@x", 0.0) == take_manager({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "soon"}, 7)
    assert take_manager({"NOTIFY_SOCKET": "vsock:2:3"}, 7) is None
    assert take_manager({}, 7) is None


def test_a_life() -> None:
    """Ready, a reload, the same again without news, a stop."""
    herald = Herald()
    assert ["STATUS=starting"] == herald.look(Seen(0, "starting"), 0)
    assert [] == herald.reload_begins()
    assert ["READY=1", "STATUS=on"] == herald.look(Seen(1, "on"), 1)
    assert [] == herald.look(Seen(1, "on"), 2)
    begun = herald.look(Seen(1, "new", taking_over=True), 3)
    assert "RELOADING=1" == begun[0]
    assert begun[1].startswith("MONOTONIC_USEC=")
    assert [] == herald.look(Seen(1, "new", taking_over=True), 4)
    assert ["READY=1", "STATUS=on"] == herald.look(Seen(1, "on"), 5)
    assert ["STOPPING=1", "STATUS=off"] == herald.look(Seen(1, "off", stopping=True), 6)
    assert [] == herald.look(Seen(0, "off", stopping=True), 7)


def test_a_reload_that_changes_nothing_ends_too() -> None:
    """Systemd waits for the word after RELOADING."""
    herald = Herald()
    herald.look(Seen(1, "on"), 0)
    assert "RELOADING=1" == herald.reload_begins()[0]
    assert [] == herald.reload_begins()
    assert ["READY=1"] == herald.look(Seen(1, "on"), 1)


def test_the_watchdog_hears_of_a_service_that_serves() -> None:
    """Three times in its period; not before the start, not while nobody serves, but through a long stop."""
    herald = Herald(watchdog=30)
    assert "WATCHDOG=1" not in herald.look(Seen(0, ""), 0)
    assert "WATCHDOG=1" in herald.look(Seen(1, ""), 1)
    assert [] == herald.look(Seen(1, ""), 10.9)
    assert ["WATCHDOG=1"] == herald.look(Seen(1, ""), 11)
    assert [] == herald.look(Seen(0, ""), 30)
    assert ["WATCHDOG=1"] == herald.look(Seen(1, ""), 31)
    assert ["STOPPING=1", "WATCHDOG=1"] == herald.look(Seen(0, "", stopping=True), 41)


def test_nobody_need_listen(tmp_path: Path) -> None:
    """A manager that has gone, or reads nothing, is no reason to end."""
    path = str(tmp_path / "notify")
    Notifier(Manager(path)).send(["READY=1"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        notifier = Notifier(Manager(path))
        notifier.send(["READY=1", "STATUS=é"])
        notifier.send([])
        assert "READY=1\nSTATUS=é".encode() == sock.recv(100)
        for _ in range(2000):
            notifier.send(["STATUS=" + "x" * 1000])
    notifier.send(["READY=1"])
    notifier.close()
    notifier.send(["READY=1"])
