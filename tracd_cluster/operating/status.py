"""The status of a service as text for people: a pure function of the report that ``commands.py`` makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

WIDEST_PATH = 70
HEADS = ("worker", "generation", "life", "pid", "served", "memory", "now")
RIGHT = frozenset({"pid", "served", "memory"})


def render(report: Mapping[str, Any]) -> str:
    """Write a report as a head, an aligned table of all processes, and what is wrong."""
    ready = sum(worker["life"] == "ready" for worker in report["workers"])
    lines = [
        f"{report['name']} {report['version']}, pid {report['pid']}, up {duration(report['seconds'])}",
        *(f"serving on {printable(address)}" for address in report["addresses"]),
        f"{ready} of {report['workers_wanted']} workers ready, generation {report['generation_wanted']} wanted; "
        f"{report['waiting']} requests in line, {report['connections']} connections",
        *(["stopping"] if report["stopping"] else []),
        "",
        *table(HEADS, [*map(_worker, report["workers"]), *map(_template, report["templates"]), _front(report)]),
    ]
    faults = [
        f"{kind} {process[key]} (generation {process['generation']}): {printable(process['fault'])}"
        for kind, key in (("template", "generation"), ("worker", "number"))
        for process in report[f"{kind}s"]
        if process["fault"]
    ]
    return "\n".join([*lines, *([""] * bool(faults)), *faults])


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Align columns, numbers to the right."""
    widths = [max(len(row[place]) for row in (heads, *rows)) for place in range(len(heads))]
    return [
        "  ".join(
            cell.rjust(width) if head in RIGHT else cell.ljust(width)
            for cell, width, head in zip(row, widths, heads, strict=True)
        ).rstrip()
        for row in (heads, *rows)
    ]


def _worker(worker: Mapping[str, Any]) -> tuple[str, ...]:
    asked = "; ".join(map(_asked, worker["asked"]))
    idle = "idle" if worker["life"] == "ready" else f"for {duration(worker['seconds'])}"
    return (
        str(worker["number"]), str(worker["generation"]), worker["life"], _pid(worker), str(worker["served"]),
        size(worker["memory"]), asked or idle,
    )  # fmt: skip


def _template(template: Mapping[str, Any]) -> tuple[str, ...]:
    now = f"{template['files']} files loaded" if template["files"] else f"for {duration(template['seconds'])}"
    memory = size(template["memory"])
    return ("template", str(template["generation"]), template["life"], _pid(template), "", memory, now)


def _front(report: Mapping[str, Any]) -> tuple[str, ...]:
    life = "stopping" if report["stopping"] else "ready"
    return ("front", "", life, str(report["pid"]), "", size(report["memory"]), "")


def _pid(process: Mapping[str, Any]) -> str:
    return str(process["pid"] or "-")


def _asked(asked: Mapping[str, Any]) -> str:
    path = printable(asked["path"])
    if len(path) > WIDEST_PATH:
        path = path[: WIDEST_PATH - 3] + "..."
    user = f" ({printable(unquote(asked['user']))})" if asked["user"] else ""
    return f"{duration(asked['seconds'])} {asked['method']} {path}{user}"


def printable(text: str) -> str:
    """Take out of a text what could steer a terminal: clients choose paths, and plugins write messages."""
    return "".join(letter if letter.isprintable() or letter == "\n" else f"\\x{ord(letter):02x}" for letter in text)


def duration(seconds: float) -> str:
    """Write a time with two units at the most."""
    if seconds < 60:
        return f"{max(seconds, 0):.1f} s"
    minutes = int(seconds) // 60
    if minutes < 60:
        return f"{minutes} min {int(seconds) % 60} s"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes // 60 % 24} h"


def size(count: int | None) -> str:
    """Write a number of bytes; a hyphen where nobody knows it."""
    return "-" if count is None else f"{count / (1 << 20):.0f} MB"
