"""When the lanes to a server pause."""

from __future__ import annotations

from tracd_cluster.upstream.rest import BETWEEN_RESTS, REST, Rest


def test_there_is_one_rest_for_many_losses() -> None:
    """Losses in a rest, and for a second after it, do not make it longer."""
    rest = Rest()
    assert 0.0 == rest.until
    rest.begin(100.0)
    rest.begin(100.0 + REST / 2)
    rest.begin(100.0 + REST + BETWEEN_RESTS / 2)
    assert 100.0 + REST == rest.until
    rest.begin(100.0 + REST + BETWEEN_RESTS)
    assert 100.0 + REST + BETWEEN_RESTS + REST == rest.until
