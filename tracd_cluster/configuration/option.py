"""One option of the table, and short ways to write down the common kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tracd_cluster.configuration import values


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option: its names, the long one last, and how its text is read."""

    names: tuple[str, ...]
    group: str
    help: str
    read: Callable[..., Any] | None = str
    """None for a flag, which has no text."""
    metavar: str | None = None
    default: Any = None
    shown: str = ""
    """The default as ``--help`` shows it, where that is not simply its value."""
    dest: str = ""
    repeatable: bool = False
    is_path: bool = False
    """``read`` takes the folder that relative paths start from as well."""
    tracds: bool = False
    """tracd has it."""
    hidden: bool = False
    write: Callable[[Any], Any] = lambda value: value
    """Gives a value as a configuration file has it."""

    @property
    def name(self) -> str:
        """What the configuration file calls it."""
        return self.names[-1].lstrip("-")

    @property
    def key(self) -> str:
        """What its value is called in the program."""
        return self.dest or self.name.replace("-", "_")


def seconds(name: str, default: float, text: str, group: str = "limits") -> Option:
    """Make one of a time."""
    return Option(
        names=(name,), group=group, read=values.seconds, metavar="SECONDS", default=default, help=text,
        shown=f"{default:g}",
    )  # fmt: skip


def flag(*names: str, group: str, text: str, tracds: bool = False) -> Option:
    """Make one without a value."""
    return Option(names=names, group=group, read=None, default=False, help=text, tracds=tracds)
