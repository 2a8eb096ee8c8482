"""The pages that lead to others, and those with figures of the program's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tracd_cluster.configuration.config import BACKLOG
from tracd_cluster.configuration.option import Option
from tracd_cluster.configuration.options import OPTIONS
from tracd_cluster.settings.front import FrontSettings

TOP = Path(__file__).parents[3]
DOCS = TOP / "docs"
LIMITS = (DOCS / "limits.md").read_text(encoding="utf-8")
FRONT = FrontSettings()


def test_every_page_is_in_the_list() -> None:
    """Once, with a line that says what it is for."""
    listed = re.findall(r"^\| \[(.*?)\]\((.*?)\) \| \S.* \|$", (DOCS / "README.md").read_text(encoding="utf-8"), re.M)
    assert all(name == target for name, target in listed)
    pages = {page.name for page in DOCS.glob("*.md")} - {"README.md"}
    assert sorted(pages) == sorted(name for name, _ in listed)


def test_the_first_page_is_short() -> None:
    """It says what this is; the rest is a page further."""
    assert len((TOP / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("option", [each for each in OPTIONS if each.group == "limits"], ids=lambda each: each.name)
def test_limits_have_their_defaults(option: Option) -> None:
    """Every option that limits something is on the page of limits, with its default."""
    rows = [line for line in LIMITS.splitlines() if f"`{option.names[-1]}`" in line]
    assert 1 == len(rows)
    assert f"| {option.shown} |" in rows[0] or f"| {option.shown} " in rows[0]


@pytest.mark.parametrize(
    "said",
    [
        f"| {FRONT.request_line_limit >> 10} KiB | | 414 |",
        f"| {FRONT.head_limit >> 10} KiB | | 431 |",
        f"| {FRONT.header_limit} | | 431 |",
        f"| {FRONT.body_memory >> 10} KiB |",
        f"| {FRONT.answer_memory >> 10} KiB |",
        f"| {BACKLOG} connections |",
        f"| {min(each for _, each in FRONT.slow_kinds):g} to {max(each for _, each in FRONT.slow_kinds):g} |",
    ],
)
def test_fixed_limits_are_those_of_the_program(said: str) -> None:
    """Nobody can see them in --help."""
    assert said in LIMITS
