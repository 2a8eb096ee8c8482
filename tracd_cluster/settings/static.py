"""What is kept of Trac's static files, and how long browsers may keep them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticSettings:
    """What is kept of Trac's static files, and how long browsers may keep them."""

    memory: int = 32 << 20
    """Bytes of files, all their forms together; 0 sends each from disk."""
    entries: int = 10_000
    """Addresses whose file is known; Trac alone has some two hundred in each project."""
    largest: int = 256 << 10
    """A larger file is sent from disk, as nginx would: reading it costs more than asking for it."""
    max_age: int = 0
    """How long a browser need not ask again; 0 says nothing of it, as Trac."""
