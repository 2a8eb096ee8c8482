"""What the page is told."""

from __future__ import annotations

import json

from tests.unit.admin.ended import ended
from tests.unit.admin.service import Servers, Service, slow_route
from tests.unit.workers.pool import Request
from tracd_cluster.admin.overview import Overview
from tracd_cluster.operating.elsewhere import Elsewhere
from tracd_cluster.traffic.place import STRANGERS


def overview(service: Service) -> Overview:
    """Make one."""
    return Overview(service, service.commands, service.counts, service.slow, service.lag, service.memory)


def test_it_is_the_report_of_ctl_and_more() -> None:
    """Users are named as they are; all of it can be written as JSON."""
    service = Service()
    service.work("/report/3")
    service.counts.tell(ended(b"/wiki", 502))
    service.slow.tell(ended(b"/query", worker_seconds=2.0))
    for seconds in (0.1, 0.4):
        service.counts.tell(ended(place=STRANGERS, line_seconds=seconds, status=502))
    for _ in range(3):
        service.counts.tell(ended(place=STRANGERS, worker="", status=503))
    service.balancer.shedding.floor = 4
    service.front.spool.take(7, 7)
    slow_route(service)
    for _ in range(3):
        service.balancer.claim(Request())
    found = json.loads(json.dumps(overview(service).of(1003.0)))
    assert service.commands.report(service.memory.of).keys() - {"now"} <= found.keys()
    [asked] = found["workers"][0]["asked"]
    assert ("GET", "/report/3", "jörg", 2.0) == (asked["method"], asked["path"], asked["user"], asked["seconds"])
    assert (True, 1, {"5xx": 6}) == (found["here"], found["busy"], found["requests"])
    assert {"used": 7, "limit": 4 << 30} == found["spool"]
    assert ["/gantt"] == [one["route"] for one in found["learned"]]
    assert {"learned", "changeset"} < found["policies"].keys()
    assert ["/query"] == [one["path"] for one in found["slow"]]
    assert (1, 10) == (found["line"]["waiting"], found["line"]["limit"])
    assert ["people", "visitors", "strangers", "robots"] == [one["class"] for one in found["classes"]]
    strangers = found["classes"][2]
    assert (1, 2, 3, 0.25) == tuple(strangers[name] for name in ("waiting", "served", "refused", "seconds"))
    assert (False, True) == (strangers["closed"], strangers["slow_closed"])
    assert {"seconds": 0.0, "closed": False, "slow_closed": False}.items() <= found["classes"][0].items()
    assert (1 << 20, None) == tuple(worker["memory"] for worker in found["workers"])
    assert ({"taken": 1, "refused": 0}, None, []) == (found["generations"], found["logins"], found["certificates"])


def test_servers_elsewhere() -> None:
    """There are none of our own."""
    found = overview(Service(Elsewhere(Servers()))).of(1003.0)
    assert (False, [], ["http://a", "http://b"]) == (
        found["here"], found["workers"], [one["server"] for one in found["servers"]],
    )  # fmt: skip
