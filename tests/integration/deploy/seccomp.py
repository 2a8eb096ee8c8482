"""Filters of system calls as systemd makes them for a unit, by the library that it takes for that too."""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import os
import stat
from collections.abc import Callable, Iterable
from tempfile import TemporaryFile
from typing import IO

ALLOW = 0x7FFF0000
MASKED_EQUAL, EQUAL = 7, 4
UNKNOWN = -1
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)


class Condition(ctypes.Structure):
    """One comparison with an argument of a call (``struct scmp_arg_cmp``)."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def refuse(number: int) -> int:
    """Give the action that lets a call fail with this error."""
    return 0x00050000 | number


class Filter:
    """One filter: an action for whatever no rule names, and rules."""

    def __init__(self, otherwise: int) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2")
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(otherwise)))

    def add(self, action: int, name: str, *conditions: Condition) -> None:
        """Add a rule for one call; one that this machine does not have needs none."""
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        if number == UNKNOWN:
            return
        array = (Condition * len(conditions))(*conditions)
        given = self._library.seccomp_rule_add_array(
            self._context, ctypes.c_uint32(action), number, len(conditions), array
        )
        # EDOM: a call of another kind of machine.
        assert given in (0, -errno.EDOM, -errno.EINVAL), f"{name}: {os.strerror(-given)}"

    def program(self) -> IO[bytes]:
        """Give the filter as the kernel takes it, in a file that stands at its beginning."""
        file = TemporaryFile()  # noqa: SIM115 - the caller closes it
        given = self._library.seccomp_export_bpf(self._context, file.fileno())
        assert given == 0, os.strerror(-given)
        self._library.seccomp_release(self._context)
        file.seek(0)
        return file


def masked(argument: int, bits: int) -> Condition:
    """Let a rule apply where all of these bits are set."""
    return Condition(argument, MASKED_EQUAL, bits, bits)


def only(calls: Iterable[str]) -> Filter:
    """SystemCallFilter=."""
    made = Filter(refuse(errno.EPERM))
    for name in sorted(calls):
        made.add(ALLOW, name)
    return made


def families(allowed: Iterable[str]) -> Filter:
    """RestrictAddressFamilies=."""
    made, known = Filter(ALLOW), {FAMILIES[name] for name in allowed}
    for number in range(1, 46):
        if number not in known:
            made.add(refuse(errno.EAFNOSUPPORT), "socket", Condition(0, EQUAL, number, 0))
    return made


def no_namespaces() -> Filter:
    """RestrictNamespaces=yes."""
    made = Filter(ALLOW)
    # Its flags are behind a pointer; with this error, the C library takes clone() instead.
    made.add(refuse(errno.ENOSYS), "clone3")
    for name in ("unshare", "setns"):
        made.add(refuse(errno.EPERM), name)
    for flag in NAMESPACES:
        made.add(refuse(errno.EPERM), "clone", masked(0, flag))
    return made


def no_set_id() -> Filter:
    """RestrictSUIDSGID=yes."""
    made = Filter(ALLOW)
    for bit in (stat.S_ISUID, stat.S_ISGID):
        for name, argument in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("mkdir", 1), ("mkdirat", 2)):
            made.add(refuse(errno.EPERM), name, masked(argument, bit))
    return made


BY_SETTING: dict[str, Callable[[], Filter]] = {
    "RestrictNamespaces": no_namespaces,
    "RestrictSUIDSGID": no_set_id,
}
