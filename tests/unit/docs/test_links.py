"""Every link leads somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.links import anchors_of, broken, links_of

TOP = Path(__file__).parents[3]
PAGES = sorted(
    page
    for page in (*TOP.glob("*.md"), *(page for folder in ("docs", "deploy") for page in (TOP / folder).rglob("*.md")))
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_links_lead_somewhere(page: Path) -> None:
    """To a file that is there, and to a heading that it has."""
    assert [] == list(broken(page, TOP))


def test_pages_are_found() -> None:
    """Or the test above would look at nothing."""
    assert {"README.md", "CHANGELOG.md", "docs/options.md", "deploy/README.md"} <= {
        str(page.relative_to(TOP)) for page in PAGES
    }


def test_code_has_no_links() -> None:
    """A command may look like one."""
    assert ["a.md", "b.md#c"] == links_of("[a](a.md) `[x](x)`\n\n    [y](y)\n```\n[z](z)\n```\n[b](b.md#c)\n")


def test_anchors_are_those_of_github() -> None:
    """Without punctuation, in small letters, and none twice."""
    text = "# What it may do\n## `-r`: code\n## A socket of systemd's\n## Same\n## Same\n    # no heading\n"
    assert {"what-it-may-do", "-r-code", "a-socket-of-systemds", "same", "same-1"} == anchors_of(text)


def test_what_leads_nowhere_is_told(tmp_path: Path) -> None:
    """A file that is not there, one outside, and a heading that is not there."""
    (tmp_path / "a.md").write_text("# A\n[1](b.md) [2](#a) [3](#b) [4](../../etc/passwd) [5](https://example.org/)\n")
    assert ["b.md: there is no such file", "#b: there is no such heading", "../../etc/passwd: there is no such file"] \
        == list(broken(tmp_path / "a.md", tmp_path))  # fmt: skip
