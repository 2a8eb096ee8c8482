"""Servers elsewhere, as the operator's commands see them."""

from __future__ import annotations

import pytest

from tracd_cluster.operating.elsewhere import Elsewhere


class Servers:
    """A pool of which somebody asks what it is."""

    def __init__(self) -> None:
        self.looks = 0

    def snapshot(self) -> dict[str, object]:
        return {"servers": [{"server": "10.0.0.5:8000"}], "stopping": True}

    def new_generation(self) -> None:
        self.looks += 1


def test_nothing_there_is_ours_to_start_or_end() -> None:
    """The status has servers and no workers, and who asks for workers hears why there are none."""
    servers = Servers()
    elsewhere = Elsewhere(servers)
    snapshot = elsewhere.snapshot()
    expected = [{"server": "10.0.0.5:8000"}]
    assert (expected, [], True) == (snapshot["servers"], snapshot["workers"], snapshot["stopping"])
    assert expected == elsewhere.servers()
    for ask in (elsewhere.scale, elsewhere.recycle):
        with pytest.raises(ValueError, match="the servers are elsewhere"):
            ask(2)
    elsewhere.inherit(elsewhere.wish())
    assert 0 == elsewhere.desired.count
    elsewhere.new_generation()
    assert 1 == servers.looks
