"""The classes of requests have an order and names."""

from __future__ import annotations

from tracd_cluster.traffic.place import PEOPLE, QUICK, SLOW, STRANGERS, Level


def test_classes_are_called_by_their_names_everywhere() -> None:
    """In options, in metrics, on pages, from the first to the last."""
    assert ["people", "visitors", "strangers", "robots"] == [level.word for level in Level]


def test_there_is_one_place_of_each_kind() -> None:
    """A place can be looked up by its class."""
    assert [(level, False) for level in Level] == [(place.level, place.slow) for place in QUICK]
    assert [(level, True) for level in Level] == [(place.level, place.slow) for place in SLOW]


def test_a_place_says_what_it_is() -> None:
    """In tests and in the log."""
    assert "<Place strangers>" == repr(STRANGERS)
    assert "<Place robots, slow>" == repr(SLOW[Level.ROBOTS])
    assert "<Place people, known>" == repr(PEOPLE)
