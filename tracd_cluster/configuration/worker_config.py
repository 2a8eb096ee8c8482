"""What the options of the pool mean together: how many workers, for how long, and how long a request may take."""

from __future__ import annotations

import os
from typing import Any

from tracd_cluster.configuration.values import processors
from tracd_cluster.errors import ConfigError
from tracd_cluster.settings.front import FrontSettings
from tracd_cluster.settings.pool import PoolSettings


def pool_sizes(values: dict[str, Any], memory_told: str = "/proc/self/status") -> dict[str, Any]:
    """Give the fields of PoolSettings that these options set; raise ConfigError for what this system cannot do.

    ``memory_told`` is where a system that tells the memory of its processes has a file.
    """
    least, most = values["workers"]
    if values["max_memory"] is not None and not os.path.isfile(memory_told):
        raise ConfigError(f"--max-memory {values['max_memory']} needs to know the memory of each worker, and this "
                          "system does not tell (Linux does, in /proc)")  # fmt: skip
    kinds = (*values["request_timeout_for"], *FrontSettings().slow_kinds)
    longest = max([values["request_timeout"], *(seconds for _, seconds in kinds)])
    return {
        "workers": least,
        "most_workers": most,
        "processors": processors(),
        "grow_after": values["grow_after"],
        "shrink_after": values["shrink_after"],
        "start_timeout": values["start_timeout"],
        "max_requests": values["max_requests"],
        "max_memory": values["max_memory"],
        "lifetime": values["worker_lifetime"],
        "leave_timeout": values["drain_timeout"] + longest,
    }


def idle_sizes(values: dict[str, Any]) -> list[str]:
    """Say which options do nothing, because the number of workers is fixed or there are none of ours."""
    if values["compress_pages"] and (values["upstream"] or values["worker_command"]):
        others = "--upstream" if values["upstream"] else "--worker-command"
        rest = idle_sizes({**values, "compress_pages": False})
        return [f"--compress-pages does nothing with {others}: only our own workers compress", *rest]
    if values["upstream"]:
        given = [key for key in ("max_requests", "max_memory", "worker_lifetime") if values[key] is not None]
        names = " and ".join(f"--{key.replace('_', '-')}" for key in given)
        return [f"{names} do nothing with --upstream: there are no workers here"] if given else []
    least, most = values["workers"]
    defaults = PoolSettings()
    fixed = least == most
    idle = [key for key in ("grow_after", "shrink_after") if fixed and values[key] != getattr(defaults, key)]
    names = " and ".join(f"--{key.replace('_', '-')}" for key in idle)
    return [f"{names} do nothing with a fixed number of workers: --workers A..B lets it change"] if idle else []
