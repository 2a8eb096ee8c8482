"""What is told to those who ask how the service is."""

from __future__ import annotations

import pytest

from tests.unit.front.wire import OK, FakeLane, Wire, make_front
from tracd_cluster.front.health import health, why_not_ready

GET = b"GET %b HTTP/1.1\r\nHost: nobody.example\r\n\r\n"


def test_ready_is_who_has_a_worker_and_means_to_stay() -> None:
    """After an upgrade the old front says of its address that it is served, for it is."""
    front, _ = make_front()
    assert "no worker is ready" == why_not_ready(front)
    front.balancer.add(FakeLane(front))
    assert "" == why_not_ready(front)
    front.withdrawn = True
    assert "the service is stopping" == why_not_ready(front)
    assert (503, "not ready: the service is stopping") == health(front, b"/-/readyz")
    assert (200, "ok") == health(front, b"/-/healthz")
    front.others_serve = True
    assert (200, "ready") == health(front, b"/-/readyz")
    assert None is health(front, b"/-/")


@pytest.mark.parametrize("path", [b"/-/healthz", b"/-/readyz"])
def test_on_the_public_port_it_is_told_where_it_is_asked_for(path: bytes) -> None:
    """Whatever the host, outside of the base path too; and recorded as any request."""
    front, _ = make_front(hosts=("trac.example.org",), base_path="/base")
    front.balancer.add(FakeLane(front))
    statuses: list[int] = []
    front.recorders.append(lambda record: statuses.append(record.status))
    assert Wire(front).feed(GET % path).sent.startswith(b"HTTP/1.1 421 ")
    front.public_health = True
    wire = Wire(front).feed(GET % path)
    assert wire.sent.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n")
    assert wire.sent.endswith((b"\r\n\r\nok\n", b"\r\n\r\nready\n"))
    assert Wire(front).feed(b"HEAD" + (GET % path)[3:]).sent.endswith(b"\r\n\r\n")
    assert [421, 200, 200] == statuses


def test_everything_else_goes_its_way() -> None:
    """A page may be called so, and a POST asks for something else."""
    front, _ = make_front()
    front.public_health = True
    lane = FakeLane(front)
    front.balancer.add(lane)
    for request in (GET % b"/-/", GET % b"/-/healthz/", b"POST" + (GET % b"/-/healthz")[3:]):
        wire = Wire(front).feed(request)
        lane.say(OK)
        assert b"200 OK" in wire.sent
        assert b"text/plain\r\nContent-Length: 3\r\nCache-Control: no-store" not in wire.sent
