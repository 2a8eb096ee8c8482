"""How the front runs as a process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSettings:
    """How the front runs as a process; what twistd does for us is told to it."""

    daemonize: bool = False
    pidfile: str | None = None
    umask: int | None = None
    """None leaves the front's alone; workers have their own (PoolSettings)."""
    user: int | None = None
    group: int | None = None
    logfile: str | None = None
    auto_reload: bool = False
    """Watch the code too; settings are watched in any case."""
    reload_poll: float | None = None
    """Time between two looks at what is watched; None to wait for word from the system."""
    control: str = "auto"
    """Absolute path of the control socket; ``auto`` for one of our choice (operating/places.py), ``off`` for none."""
    drain_delay: float = 0.0
    """How long to go on serving after we have been asked to stop, for those who send clients here to notice."""
