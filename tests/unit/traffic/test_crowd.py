"""Connections by address and by network."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.traffic.crowd import SHARE, Crowd


def test_so_many_of_an_address_and_of_its_network() -> None:
    """Others are not concerned, and who leaves makes room."""
    crowd = Crowd(2)
    assert [True, True, False] == [crowd.join("192.0.2.1") for _ in range(3)]
    assert crowd.join("198.51.100.1")
    assert 2 * SHARE - 2 == sum(crowd.join(f"192.0.2.{host}") for host in range(2, 200))
    assert not crowd.join("192.0.2.250")
    crowd.leave("192.0.2.1")
    assert crowd.join("192.0.2.250")
    assert 2 * SHARE + 1 == len(crowd)
    crowd.check_invariants()


def test_no_limit_is_none() -> None:
    """All are counted all the same: a limit may be given later."""
    crowd = Crowd(0)
    assert all(crowd.join("192.0.2.1") for _ in range(1000))
    crowd.limit = 1000
    assert not crowd.join("192.0.2.1")
    crowd.leave("192.0.2.1")
    assert crowd.join("192.0.2.1")


@given(st.integers(0, 3), st.lists(st.tuples(st.booleans(), st.integers(0, 11)), max_size=80))
def test_nobody_is_remembered_who_is_not_there(limit: int, steps: list[tuple[bool, int]]) -> None:
    """Whoever comes and goes in whatever order."""
    crowd = Crowd(limit)
    inside: list[str] = []
    for comes, number in steps:
        address = f"10.0.{number // 6}.{number % 6}"
        if comes:
            mine, ours = inside.count(address), sum(each.startswith(address[:6]) for each in inside)
            assert crowd.join(address) == (not limit or (mine < limit and ours < SHARE * limit))
            if not limit or (mine < limit and ours < SHARE * limit):
                inside.append(address)
        elif address in inside:
            inside.remove(address)
            crowd.leave(address)
        crowd.check_invariants()
        assert len(inside) == len(crowd)
    for address in inside:
        crowd.leave(address)
    assert "<Crowd of 0, 0 addresses>" == repr(crowd)
    assert not crowd._networks
