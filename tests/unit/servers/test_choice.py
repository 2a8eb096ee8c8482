"""The least loaded server, with weights and priorities."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.unit.test_balancer import Request
from tracd_cluster.balancer import Balancer
from tracd_cluster.servers.choice import LeastLoaded, Share


def make(*shares: Share, lanes: int = 4) -> LeastLoaded:
    """Make lanes for each share, all of them free."""
    idle = LeastLoaded()
    for number, share in enumerate(shares):
        for each in range(lanes):
            idle.enroll((number, each), share)
            idle.append((number, each))
    return idle


def test_the_one_with_the_least_under_way_is_next() -> None:
    """Requests spread over the servers, whatever came before."""
    idle = make(Share(), Share(), Share())
    assert {0, 1, 2} == {idle.pop()[0] for _ in range(3)}
    taken = [idle.pop() for _ in range(3)]
    assert {0, 1, 2} == {server for server, _ in taken}
    assert 6 == len(idle)


def test_one_request_at_a_time_goes_round() -> None:
    """Light load is shared as well, by weight."""
    idle = make(Share(weight=3), Share(weight=1))
    found: Counter[int] = Counter()
    for _ in range(40):
        lane = idle.pop()
        found[lane[0]] += 1
        idle.append(lane)
    assert {0: 30, 1: 10} == dict(found)


def test_weights_share_a_full_load() -> None:
    """With many requests under way, a server has as many of them as its weight says."""
    idle = make(Share(weight=3), Share(weight=1), lanes=30)
    taken = Counter(idle.pop()[0] for _ in range(20))
    assert {0: 15, 1: 5} == dict(taken)


def test_a_higher_priority_number_is_a_reserve() -> None:
    """As SRV records mean it: only when those before can take no more."""
    idle = make(Share(priority=10), Share(priority=20, weight=100), lanes=2)
    assert [0, 0, 1, 1] == [idle.pop()[0] for _ in range(4)]


def test_who_comes_back_is_not_flooded() -> None:
    """A server that was away gets its turn, not all the turns it has missed."""
    first, second = Share(), Share()
    idle = make(first, second, lanes=1)
    idle.remove((1, 0))
    for _ in range(100):
        idle.append(idle.pop())
    idle.append((1, 0))
    found = []
    for _ in range(4):
        lane = idle.pop()
        found.append(lane[0])
        idle.append(lane)
    assert 2 == found.count(0)


def test_it_serves_the_balancer_as_a_list_does() -> None:
    """Claims, releases and withdrawals keep what the balancer promises."""
    idle = LeastLoaded()
    balancer = Balancer(10, idle=idle)
    share = Share()
    for lane in ("a", "b"):
        idle.enroll(lane, share)
        balancer.add(lane)  # type: ignore[arg-type]
    claimed: Any = balancer.claim(Request())
    assert "b" == claimed
    assert balancer.withdraw("b")  # type: ignore[arg-type]
    assert not balancer.withdraw("a")  # type: ignore[arg-type]
    idle.dismiss("a")
    idle.dismiss("b")
    balancer.check_invariants()
    assert 0 == share.size == len(idle)
    assert "<Balancer 0 lanes, 0 idle, 0 in line>" == repr(balancer)
