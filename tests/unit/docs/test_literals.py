"""What is read of a source as what it can say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.literals import said_by, texts_of

SOURCE = '''
def complain(log, path, error, words):
    """Say it."""
    log.error("{worker} is out for {wait:g} s", worker=1)
    raise ValueError(f"cannot read {path}{words}: "
                     f"{error.strerror}")
'''


@pytest.fixture
def texts(tmp_path: Path) -> frozenset[str]:
    """The texts of one module."""
    (tmp_path / "module.py").write_text(SOURCE)
    return texts_of(tmp_path)


def test_what_is_filled_in_is_a_gap(texts: frozenset[str]) -> None:
    """Names and numbers are others each time."""
    assert {"… is out for … s", "cannot read …: …"} <= texts


@pytest.mark.parametrize("heading", ["… is out for … s", "is out for", "cannot read …: …"])
def test_a_part_is_enough(texts: frozenset[str], heading: str) -> None:
    """A heading may begin where the message has become clear."""
    assert said_by(heading, texts)


@pytest.mark.parametrize("heading", ["… is out for 3 s", "cannot write …: …", "Say it."])
def test_other_words_are_not(texts: frozenset[str], heading: str) -> None:
    """Nobody would find them; what a docstring says is said to nobody either."""
    assert not said_by(heading, texts)
