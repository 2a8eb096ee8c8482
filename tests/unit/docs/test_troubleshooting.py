"""The page of messages: whoever searches it for what he has read finds it, as it is said today."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tracd_cluster
from tests.docs.literals import said_by, texts_of

PAGE = (Path(__file__).parents[3] / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
HEADINGS = re.findall(r"^### `(.*)`$", PAGE, re.MULTILINE)
TEXTS = texts_of(Path(tracd_cluster.__file__).parent)


def test_every_heading_is_a_message() -> None:
    """Each is in backticks, and there is one for each kind of trouble at the least."""
    assert len(HEADINGS) == len(re.findall(r"^### ", PAGE, re.MULTILINE)) > 50
    assert len(HEADINGS) == len(set(HEADINGS))


@pytest.mark.parametrize("heading", HEADINGS)
def test_the_program_says_it(heading: str) -> None:
    """A message that is reworded is reworded on the page too."""
    assert said_by(heading, TEXTS), f"docs/troubleshooting.md has a message that the sources have not: {heading}"
