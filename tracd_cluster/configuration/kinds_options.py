"""The options that say what strangers get of pages that are slow, and what robots are told."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from typing import Any

from tracd_cluster.configuration.option import Option, flag
from tracd_cluster.settings.kinds import KINDS, LEARNED, KindsSettings, Policy

ROUTE = re.compile(r"/[A-Za-z0-9_.-]{0,40}")
OPEN = ("/login", "/chrome")
"""Routes without which nobody can sign in."""


def kind(text: str) -> tuple[str, Policy]:
    """Read ``KIND=POLICY``, as in ``changeset=sign-in`` or ``/burndown=slow``."""
    name, _, word = text.partition("=")
    name, word = name.strip(), word.strip()
    if name not in KINDS and name != LEARNED and ROUTE.fullmatch(name) is None:
        raise ArgumentTypeError(
            f"{text!r} names no kind: one of {', '.join(KINDS)}, {LEARNED}, or the first part of a path below the "
            "project, as in /burndown"
        )
    try:
        policy = Policy(word)
    except ValueError:
        policies = ", ".join(each.value for each in Policy)
        raise ArgumentTypeError(f"{text!r} has no policy: one of {policies}, as in {name}=sign-in") from None
    if name in OPEN and policy in (Policy.SIGN_IN, Policy.DENY):
        raise ArgumentTypeError(f"{text!r} would keep everybody from signing in; allow or slow was expected")
    return name, policy


def kind_text(found: tuple[str, Policy]) -> str:
    """Write what ``kind`` reads."""
    return f"{found[0]}={found[1].value}"


POLICIES: tuple[Option, ...] = (
    Option(
        names=("--kind",), group="traffic", read=kind, metavar="KIND=POLICY", repeatable=True, default=(),
        write=kind_text, shown="slow for all",
        help="allow, slow, sign-in or deny a kind of pages, or a /route; repeatable",
    ),
    flag("--no-robots", group="traffic", text="have no robots.txt where the site has none"),
)  # fmt: skip


def kinds_settings(values: dict[str, Any]) -> KindsSettings:
    """Make the settings of the values of all options, by their keys."""
    return KindsSettings(policies=tuple(values["kind"]), robots=not values["no_robots"])
