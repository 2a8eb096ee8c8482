"""Strangers share one rendering, and only strangers do, and only what may be shared."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.unit.front.wire import FakeLane, Wire, make_front, statuses
from tracd_cluster.errors import NobodyServing, WorkerLost
from tracd_cluster.front.listener import Front
from tracd_cluster.front.rendering import Strangers
from tracd_cluster.settings.cache import CacheSettings
from tracd_cluster.traffic.place import STRANGERS, Place

GET = b"GET /wiki HTTP/1.1\r\nHost: x\r\n\r\n"
LOST = WorkerLost("it closed its lane")


def page(text: bytes = b"hello", *lines: bytes, status: bytes = b"200 Ok") -> bytes:
    """Make what a worker answers a stranger."""
    body = b"<html>%b</html>" % text
    head = [
        b"HTTP/1.1 " + status, b"Content-Type: text/html", b"Set-Cookie: trac_session=5e55; Path=/",
        b"Set-Cookie: trac_form_token=70ce; Path=/", b"Set-Cookie: trac_visit=4075; Path=/",
        b"Tracd-Cluster-Stranger: 1", *lines, b"Content-Length: %d" % len(body),
    ]  # fmt: skip
    return b"\r\n".join(head) + b"\r\n\r\n" + body


PRIVATE = page(b"hello", b"Set-Cookie: plugin=1")


def make(lanes: int = 1, **settings: Any) -> tuple[Front, Clock, list[FakeLane]]:
    """Make a front whose strangers share, and workers for it; the last one is asked first."""
    front, clock = make_front(**settings)
    front.strangers = Strangers(CacheSettings(), front.balancer, clock.seconds)
    workers = [FakeLane(front, f"worker {number}") for number in range(lanes)]
    for worker in workers:
        front.balancer.add(worker)
    front.sweep()
    return front, clock, workers


def pass_time(front: Front, clock: Clock, seconds: float) -> None:
    """Let time pass, and the front see it."""
    clock.advance(seconds)
    front.sweep()


def bodies(sent: bytes) -> bytes:
    """Give what follows the head."""
    return sent.partition(b"\r\n\r\n")[2]


# -- one for all


def test_strangers_who_ask_at_the_same_time_are_answered_by_one_rendering() -> None:
    """The first one keeps the cookies that were made for it; the others get none of them."""
    front, _, [free, busy] = make(2)
    wires = [Wire(front).feed(GET) for _ in range(5)]
    assert free.exchange is None
    busy.say(page())
    first, *others = [wire.take() for wire in wires]
    assert b"trac_session=5e55" in first
    assert b"trac_form_token=70ce" in first
    for each in others:
        assert [200] == statuses(each)
        assert b"<html>hello</html>" == bodies(each)
        assert b"Set-Cookie: trac_visit=4075; Path=/; SameSite=Lax\r\n" in each
        assert b"5e55" not in each
        assert b"70ce" not in each
        assert b"Age: 0\r\n" in each
        assert b"Tracd-Cluster" not in each + first
    assert 1 == len(busy.heads)


def test_a_page_is_made_as_soon_as_the_first_of_those_who_wait_for_it_may_expect() -> None:
    """A person whom a robot has been quicker than does not stand behind robots."""
    front, _, _ = make(0)
    robot, browser = GET[:-2] + b"User-Agent: bot\r\n\r\n", GET[:-2] + b"User-Agent: Firefox\r\n\r\n"
    seen: list[tuple[object, Place]] = []
    front.balancer.rise = lambda request, place: seen.append((request, place))  # type: ignore[method-assign]
    leader = Wire(front).feed(robot).connection._current
    Wire(front).feed(robot)
    assert [] == seen
    Wire(front).feed(browser)
    assert [(leader, STRANGERS)] == seen


def test_a_page_is_given_again_for_a_while_and_then_made_anew() -> None:
    """Without a worker in between."""
    front, clock, [worker] = make()
    Wire(front).feed(GET)
    worker.say(page(b"one"))
    pass_time(front, clock, 1.5)
    again = Wire(front).feed(GET).take()
    assert b"Age: 1\r\n" in again
    assert b"one" in again
    pass_time(front, clock, 0.5)
    wire = Wire(front).feed(GET)
    worker.say(page(b"two"))
    assert b"two" in wire.take()
    assert 2 == len(worker.heads)


def test_a_page_in_pieces_is_shared_when_it_is_whole() -> None:
    """The first one gets it as it comes."""
    front, _, [worker] = make()
    first, second = Wire(front).feed(GET), Wire(front).feed(GET)
    whole = page(b"x" * 100)
    worker.say(whole[:-50])
    assert first.take().endswith(b"x" * 10)
    assert b"" == second.take()
    worker.say(whole[-50:])
    assert b"<html>" + b"x" * 100 + b"</html>" == bodies(second.take())


def test_head_is_answered_from_a_page_that_is_kept() -> None:
    """But makes none, and waits for none."""
    front, _, [worker] = make()
    head = GET.replace(b"GET", b"HEAD")
    wire = Wire(front).feed(head)
    worker.say(page()[: -len(b"<html>hello</html>")])
    assert [200] == statuses(wire.take().replace(b"Content-Length: 18", b"Content-Length: 0"))
    Wire(front).feed(GET)
    worker.say(page())
    answer = Wire(front).feed(head).take()
    assert b"Content-Length: 18\r\n" in answer
    assert b"" == bodies(answer)
    assert 2 == len(worker.heads)


def test_old_clients_and_the_end_of_the_service_are_heeded() -> None:
    """A shared page goes the way of each connection."""
    front, _, [worker] = make()
    Wire(front).feed(GET)
    worker.say(page())
    old = Wire(front).feed(b"GET /wiki HTTP/1.0\r\nHost: x\r\n\r\n")
    assert b"Connection: close" in old.take()
    assert old.over
    front.draining = True
    assert b"Connection: close" in Wire(front).feed(GET).take()


def test_a_slow_reader_is_not_given_more_than_it_takes() -> None:
    """However often it asks for the same page."""
    front, _, [worker] = make()
    Wire(front).feed(GET)
    worker.say(page(b"x" * 1000))
    wire = Wire(front)
    wire.connection.pauseProducing()
    wire.feed(GET * 3)
    assert b"" == wire.take()
    wire.connection.resumeProducing()
    assert [200, 200, 200] == statuses(wire.take())


def test_nothing_is_shared_where_it_is_switched_off() -> None:
    """Each is rendered by itself."""
    front, _, [worker] = make()
    assert front.strangers is not None
    front.strangers.take(CacheSettings(period=0.0))
    for _ in range(2):
        Wire(front).feed(GET)
        worker.say(page())
    assert 2 == len(worker.heads)


# -- what is not for all


def test_who_has_waited_for_what_is_not_shared_gets_its_own() -> None:
    """And for a while nobody waits for that page any more."""
    front, clock, workers = make(3)
    wires = [Wire(front).feed(GET) for _ in range(3)]
    workers[2].say(PRIVATE)
    for worker in workers:
        if worker.exchange is not None:
            worker.say(PRIVATE)
    assert 3 == sum(len(worker.heads) for worker in workers)
    assert [[200]] * 3 == [statuses(wire.take()) for wire in wires]
    for _ in range(2):
        Wire(front).feed(GET)
    assert 2 == sum(worker.exchange is not None for worker in workers)
    for worker in workers:
        if worker.exchange is not None:
            worker.say(page())
    pass_time(front, clock, 60.0)
    for _ in range(2):
        Wire(front).feed(GET)
    assert 1 == sum(worker.exchange is not None for worker in workers)


def test_a_page_that_is_too_long_is_each_one_s_own() -> None:
    """It is known by its length, or when there is too much of it."""
    front, _, workers = make(2)
    assert front.strangers is not None
    front.strangers.take(CacheSettings(largest=50))
    first, second = Wire(front).feed(GET), Wire(front).feed(GET)
    workers[1].say(page(b"x" * 100)[:300])
    assert workers[0].exchange is not None
    workers[0].say(page(b"y" * 100))
    assert b"y" in second.take()
    assert b"x" in first.take()


@pytest.mark.parametrize("status", [b"500 Oh", b"503 No"])
def test_a_failure_says_nothing_of_the_page(status: bytes) -> None:
    """The next ones try together again."""
    front, _, workers = make(2)
    Wire(front).feed(GET)
    workers[1].say(page(status=status))
    wires = [Wire(front).feed(GET) for _ in range(2)]
    assert 1 == sum(worker.exchange is not None for worker in workers)
    workers[1].say(page())
    assert [[200], [200]] == [statuses(wire.take()) for wire in wires]


# -- who goes


def test_if_the_first_one_leaves_the_line_the_next_one_leads() -> None:
    """In the order they came."""
    front, _, [worker] = make()
    busy = Wire(front).feed(GET.replace(b"/wiki", b"/busy"))
    wires = [Wire(front).feed(GET) for _ in range(3)]
    assert 1 == front.balancer.waiting
    wires[0].leave()
    assert 1 == front.balancer.waiting
    worker.say(page(b"busy"))
    worker.say(page())
    assert [200] == statuses(busy.take())
    assert [[200], [200]] == [statuses(wire.take()) for wire in wires[1:]]
    assert 2 == len(worker.heads)


def test_if_the_first_one_leaves_while_a_worker_is_at_it_the_others_get_the_page() -> None:
    """Nothing is made in vain."""
    front, _, [worker] = make()
    first, second = Wire(front).feed(GET), Wire(front).feed(GET)
    first.leave()
    worker.say(page())
    assert [200] == statuses(second.take())
    assert {} == front.abandoned


def test_if_the_worker_of_one_who_has_left_is_lost_the_next_one_leads() -> None:
    """Its page may be as good as any."""
    front, _, workers = make(2)
    first, second = Wire(front).feed(GET), Wire(front).feed(GET)
    first.leave()
    workers[1].lose(LOST)
    workers[0].say(page())
    assert [200] == statuses(second.take())


def test_who_leaves_is_not_waited_for() -> None:
    """And not answered."""
    front, _, [worker] = make()
    wires = [Wire(front).feed(GET) for _ in range(3)]
    wires[1].leave()
    worker.say(page())
    assert [[200], [], [200]] == [statuses(wire.take()) for wire in wires]


def test_nobody_waits_for_a_place_in_line_longer_than_his_own() -> None:
    """Each has a deadline, from when he came; while a worker is at the page it does not count."""
    front, clock, [worker] = make()
    busy = Wire(front).feed(GET.replace(b"/wiki", b"/busy"))
    first = Wire(front).feed(GET)
    pass_time(front, clock, 3.0)
    second = Wire(front).feed(GET)
    pass_time(front, clock, 2.5)
    assert ([503], []) == (statuses(first.take()), statuses(second.take()))
    third = Wire(front).feed(GET)
    pass_time(front, clock, 2.5)
    assert ([503], []) == (statuses(second.take()), statuses(third.take()))
    worker.say(page(b"busy"))
    fourth = Wire(front).feed(GET)
    pass_time(front, clock, 20.0)
    worker.say(page())
    assert [[200]] * 3 == [statuses(wire.take()) for wire in (busy, third, fourth)]


# -- what goes wrong


def test_a_request_that_has_lost_its_workers_is_nobody_else_s_fault() -> None:
    """Those who have waited have two workers to lose each, as ever, but one after the other."""
    front, _, workers = make(4)
    wires = [Wire(front).feed(GET) for _ in range(3)]
    workers[3].lose(LOST)
    workers[2].lose(LOST)
    assert [[502], [], []] == [statuses(wire.take()) for wire in wires]
    workers[1].lose(LOST)
    workers[0].say(page())
    assert [[], [200], [200]] == [statuses(wire.take()) for wire in wires]


def test_a_page_that_breaks_off_is_nobody_s() -> None:
    """The first one sees that it is not whole, the others get another one."""
    front, _, [other, worker] = make(2)
    first, second = Wire(front).feed(GET), Wire(front).feed(GET)
    worker.say(page()[:-10])
    worker.lose(LOST, answered=True)
    assert first.aborted
    other.say(page())
    assert [200] == statuses(second.take())


def test_a_page_that_takes_too_long_is_late_for_all() -> None:
    """One worker is given up for it."""
    front, clock, [worker] = make(request_timeout=10.0)
    wires = [Wire(front).feed(GET) for _ in range(2)]
    pass_time(front, clock, 10.0)
    assert [[504], [504]] == [statuses(wire.take()) for wire in wires]
    assert worker.given_up is not None


def kept(front: Front, clock: Clock, worker: FakeLane) -> None:
    """Let a page be kept, and be old."""
    Wire(front).feed(GET)
    worker.say(page(b"old"))
    pass_time(front, clock, 100.0)


def test_an_older_page_is_given_where_workers_fail() -> None:
    """It says how old it is; who has cookies gets the error as it is."""
    front, clock, workers = make(5)
    kept(front, clock, workers[4])
    stranger = Wire(front).feed(GET)
    workers[4].lose(LOST)
    workers[3].lose(LOST)
    answer = stranger.take()
    assert [200] == statuses(answer)
    assert b"Age: 100\r\n" in answer
    assert b"old" in answer
    person = Wire(front).feed(GET.replace(b"\r\n\r\n", b"\r\nCookie: a=b\r\n\r\n"))
    workers[2].lose(LOST)
    workers[1].lose(LOST)
    assert [502] == statuses(person.take())
    other = Wire(front).feed(GET.replace(b"/wiki", b"/other"))
    workers[0].lose(LOST)
    pass_time(front, clock, 5.0)
    assert [503] == statuses(other.take())


def test_an_older_page_is_given_where_there_is_no_place_in_line() -> None:
    """A crowd is no reason not to be shown anything."""
    front, clock, [worker] = make(queue=1)
    kept(front, clock, worker)
    for number in range(2):
        Wire(front).feed(GET.replace(b"/wiki", b"/busy%d" % number))
    assert b"Age: 100\r\n" in Wire(front).feed(GET).take()


def test_an_older_page_is_given_where_the_wait_is_too_long() -> None:
    """To everyone who has waited."""
    front, clock, [worker] = make()
    kept(front, clock, worker)
    Wire(front).feed(GET.replace(b"/wiki", b"/busy"))
    wires = [Wire(front).feed(GET) for _ in range(3)]
    pass_time(front, clock, 5.0)
    pass_time(front, clock, 0.25)
    assert [True] * 3 == [b"Age: 105\r\n" in wire.take() for wire in wires]


def test_an_older_page_is_given_at_once_while_there_is_no_worker() -> None:
    """Whether or not one is expected."""
    front, clock, [worker] = make()
    kept(front, clock, worker)
    front.balancer.withdraw(worker)
    assert b"Age: 100\r\n" in Wire(front).feed(GET).take()
    front.balancer.refuse_all(NobodyServing("nobody is there"))
    assert b"Age: 100\r\n" in Wire(front).feed(GET).take()
    assert [503] == statuses(Wire(front).feed(GET.replace(b"/wiki", b"/other")).take())
    pass_time(front, clock, 500.0)
    assert [503] == statuses(Wire(front).feed(GET).take())


def test_an_older_page_is_given_to_those_whose_workers_were_the_last() -> None:
    """They would wait for new ones otherwise."""
    front, clock, [worker] = make()
    kept(front, clock, worker)
    wires = [Wire(front).feed(GET) for _ in range(3)]
    worker.lose(LOST)
    assert [True] * 3 == [b"Age: 100\r\n" in wire.take() for wire in wires]
    assert 0 == front.balancer.waiting


def test_if_everyone_is_refused_so_are_those_who_follow() -> None:
    """Nobody is forgotten."""
    front, _, [worker] = make()
    front.balancer.withdraw(worker)
    wires = [Wire(front).feed(GET) for _ in range(3)]
    front.balancer.refuse_all(NobodyServing("nobody is there"))
    assert [[503]] * 3 == [statuses(wire.take()) for wire in wires]


# -- nobody sees what is another one's

LINES = st.lists(
    st.sampled_from(
        [
            b"Cookie: trac_session=%d",
            b"Cookie: trac_auth=%d",
            b"Authorization: Basic %d",
            b"X-Plugin: %d",
            b"If-None-Match: %d",
            b"Accept-Language: l%d",
            b"User-Agent: u%d",
        ]
    ),
    max_size=2,
    unique=True,
)
WHO = st.tuples(st.integers(0, 2), LINES, st.sampled_from([b"a", b"b"]), st.sampled_from([b"/wiki", b"/ticket"]))
STATE = (b"cookie", b"authorization", b"x-plugin", b"if-none-match", b"accept-language", b"host")


def seen(head: bytes) -> bytes:
    """Give what Trac may make a page of: all that is the visitor's but what its worker says it has not looked at."""
    lines = [line for line in head.split(b"\r\n") if line.partition(b":")[0].lower() in STATE]
    return b"|".join([head.split(b" ")[1], *sorted(lines)])


@given(st.lists(st.one_of(WHO, st.sampled_from(["answer", "lose", "wait", "leave"])), max_size=25), st.booleans())
def test_everyone_is_given_a_page_that_was_made_for_one_like_him(steps: list[Any], for_any: bool) -> None:
    """Whatever comes in whatever order, with any answer of any worker."""
    front, clock, workers = make(2, queue=100)
    asked: list[tuple[Wire, bytes]] = []
    for step in steps:
        if isinstance(step, tuple):
            number, lines, host, target = step
            more = b"".join(line % number + b"\r\n" for line in lines)
            request = b"GET %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (target, host, more)
            asked.append((Wire(front).feed(request), seen(request)))
        elif step == "wait":
            pass_time(front, clock, 1.5)
        elif step == "leave" and asked:
            asked.pop()[0].leave()
        else:
            for worker in [worker for worker in workers if worker.exchange is not None]:
                if step == "lose":
                    worker.lose(LOST)
                    workers.remove(worker)
                    workers.append(FakeLane(front))
                    front.balancer.add(workers[-1])
                elif step == "answer":
                    text = seen(worker.heads[-1])
                    worker.say(page(text) if for_any else page(text).replace(b"Tracd-Cluster-Stranger", b"X"))
        for wire, state in asked:
            answer = wire.take()
            if answer and statuses(answer) == [200]:
                assert b"<html>%b</html>" % state == bodies(answer)
    while any(worker.exchange is not None for worker in workers):
        for worker in workers:
            if worker.exchange is not None:
                worker.say(page(seen(worker.heads[-1])))
    for wire, state in asked:
        answer = wire.take()
        if answer and statuses(answer) == [200]:
            assert b"<html>%b</html>" % state == bodies(answer)
    assert front.strangers is not None
    assert {} == front.strangers._renderings
    assert 0 == front.balancer.waiting
