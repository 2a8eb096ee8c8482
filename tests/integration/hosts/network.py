"""A network of hosts that are none: namespaces of the kernel, each with an address, and a switch that joins them.

Nothing of it is in the namespace that the tests run in, so any number of networks may have the same addresses. A
process is put into a host by ``ip netns exec``; a client of the test's own enters a host with its thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.needs import lack, require
from tests.processes import kill, wait_until

NAMES = Path("/run/netns")
OURS = re.compile(r"tracd-(\d+)-")
NETWORK = "10.77.0"
MOST_HOSTS = 200
_CLONE_NEWNET = 0x40000000
_serial = itertools.count(1)


def require_networks() -> None:
    """Fail where none can be made (needs.py)."""
    require("root", "ip")
    try:
        with Network() as network:
            _ip("netns", "exec", network.host("probe").name, "true")
    except subprocess.CalledProcessError as error:
        lack(f"network namespaces cannot be made here: {error.stderr.strip()}")


class Host:
    """One host of a network."""

    def __init__(self, network: Network, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self._network = network
        _ip("netns", "add", name)
        _ip("-n", name, "link", "set", "lo", "up")

    def __repr__(self) -> str:
        return f"<Host {self.name} at {self.address}>"

    def command(self, *argv: str) -> list[str]:
        """Give the command line that runs a program there."""
        return ["ip", "netns", "exec", self.name, *argv]

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Have the sockets that this thread opens meanwhile be sockets of this host."""
        with open("/proc/thread-self/ns/net") as home, open(NAMES / self.name) as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def cut_off(self) -> None:
        """Pull its cable: whatever is sent from now on, either way, is lost without a word."""
        _ip("-n", self._network.switch, "link", "set", self._port, "down")

    def join_again(self) -> None:
        """Put the cable back."""
        _ip("-n", self._network.switch, "link", "set", self._port, "up")

    def power_off(self) -> None:
        """Kill everything on it at once; nobody who is cut off hears of that."""
        wait_until(lambda: not self._kill(), 10, f"the end of all processes of {self!r}")

    def _kill(self) -> bool:
        pids = _ip("netns", "pids", self.name).split()
        for pid in pids:
            kill(int(pid))
        return bool(pids)

    @property
    def _port(self) -> str:
        return f"to-{self.address.rpartition('.')[2]}"

    def plug_in(self) -> None:
        """Join it to the switch."""
        switch = self._network.switch
        _ip("-n", switch, "link", "add", self._port, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        _ip("-n", switch, "link", "set", self._port, "master", "bridge", "up")
        _ip("-n", self.name, "address", "add", f"{self.address}/24", "dev", "eth0")
        _ip("-n", self.name, "link", "set", "eth0", "up")


class Network:
    """Hosts that reach each other; at the end everything on them is killed, and they are gone."""

    def __init__(self) -> None:
        remove_leftovers()
        self._prefix = f"tracd-{os.getpid()}-{next(_serial)}"
        self.switch = f"{self._prefix}-switch"
        self.hosts: list[Host] = []

    def __enter__(self) -> Network:
        try:
            _ip("netns", "add", self.switch)
            _ip("-n", self.switch, "link", "add", "bridge", "type", "bridge")
            _ip("-n", self.switch, "link", "set", "bridge", "up")
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def host(self, name: str) -> Host:
        """Add a host."""
        assert len(self.hosts) < MOST_HOSTS
        host = Host(self, f"{self._prefix}-{name}", f"{NETWORK}.{len(self.hosts) + 1}")
        self.hosts.append(host)
        host.plug_in()
        return host

    def remove(self) -> None:
        """Kill what runs on the hosts, and take everything away."""
        _remove_all(self._prefix + "-")


def remove_leftovers() -> None:
    """Take away the networks of test processes that were killed."""
    for path in NAMES.glob("tracd-*"):
        match = OURS.match(path.name)
        if match and not Path(f"/proc/{match[1]}").exists():
            _remove_all(match[0])


def _remove_all(prefix: str) -> None:
    for path in NAMES.glob(f"{prefix}*"):
        with contextlib.suppress(subprocess.CalledProcessError):
            for pid in _ip("netns", "pids", path.name).split():
                kill(int(pid))
            _ip("netns", "delete", path.name)


def _ip(*words: str) -> str:
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
    done = subprocess.run(
        ["ip", *words], capture_output=True, text=True, check=True, timeout=20, env={**os.environ, "PATH": path}
    )
    return done.stdout


def _enter(namespace: int) -> None:
    """Let the calling thread be in a network namespace: setns(2), which Python has as of 3.12."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
