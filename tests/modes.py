"""Root as everybody else is: what the mode of a file bars is barred for a while."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

DAC_OVERRIDE, DAC_READ_SEARCH = 1 << 1, 1 << 2
VERSION_3 = 0x20080522
GET_SECUREBITS, SET_SECUREBITS = 27, 28
NOROOT, NO_SETUID_FIXUP = 1 << 0, 1 << 2


@contextmanager
def barred_by_modes() -> Iterator[None]:
    """Keep this thread from reading what its modes do not let it read, and the programs that it starts.

    Root does that by two capabilities, which access(2) and the programs that root starts have anew but for two bits
    (capabilities(7)).
    """
    if os.geteuid() != 0:
        yield
        return
    bits = _call("prctl", GET_SECUREBITS, 0, 0, 0, 0)
    header, now = (ctypes.c_uint32 * 2)(VERSION_3, 0), (ctypes.c_uint32 * 6)()
    _call("capget", header, now)
    effective = now[0]
    _call("prctl", SET_SECUREBITS, bits | NOROOT | NO_SETUID_FIXUP, 0, 0, 0)
    now[0] = effective & ~(DAC_OVERRIDE | DAC_READ_SEARCH)
    _call("capset", header, now)
    try:
        yield
    finally:
        now[0] = effective
        _call("capset", header, now)
        _call("prctl", SET_SECUREBITS, bits, 0, 0, 0)


def _call(name: str, *arguments: object) -> int:
    status: int = getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments)
    if status < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return status
