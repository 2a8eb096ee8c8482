"""Journeys: answers handed on, workers lost, clients gone, lines full."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from tests.unit.front.wire import OK, FakeLane, Wire, make_front, statuses
from tracd_cluster.auth.gate import Gate
from tracd_cluster.errors import NobodyServing, WorkerLost
from tracd_cluster.settings.auth import AuthSettings
from tracd_cluster.traffic.place import PEOPLE, VISITORS, Place

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /newticket HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
LOST = WorkerLost("it closed its lane")


def test_an_answer_of_unknown_length_streams_in_chunks() -> None:
    """A long page begins to arrive before it is complete."""
    front, _ = make_front()
    lane = FakeLane(front)
    front.balancer.add(lane)
    wire = Wire(front).feed(GET)
    lane.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    head, _, body = wire.take().partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert b"3\r\nabc\r\n" == body
    lane.say(b"2\r\nde\r\n0\r\n\r\n")
    assert b"2\r\nde\r\n0\r\n\r\n" == wire.take()
    assert not wire.over


def test_an_answer_that_is_complete_at_once_gets_its_length() -> None:
    """What has come whole is sent with a Content-Length, even if the worker did not know it."""
    front, _ = make_front()
    lane = FakeLane(front)
    front.balancer.add(lane)
    wire = Wire(front).feed(GET)
    lane.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    head, _, body = wire.take().partition(b"\r\n\r\n")
    assert b"Content-Length: 3" in head
    assert b"chunked" not in head
    assert b"abc" == body


def test_an_old_client_reads_a_stream_to_its_end() -> None:
    """HTTP/1.0 knows no chunks: the end of the connection is the end of the page."""
    front, _ = make_front()
    lane = FakeLane(front)
    front.balancer.add(lane)
    wire = Wire(front).feed(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    lane.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    lane.say(b"2\r\nde\r\n0\r\n\r\n")
    head, _, body = wire.take().partition(b"\r\n\r\n")
    assert b"Connection: close" in head
    assert b"abcde" == body
    assert wire.closed


def test_head_keeps_the_length_and_sends_no_body() -> None:
    """HEAD gives the fields of GET and nothing more."""
    front, _ = make_front()
    lane = FakeLane(front)
    front.balancer.add(lane)
    wire = Wire(front).feed(b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n")
    lane.say(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    head, _, body = wire.take().partition(b"\r\n\r\n")
    assert b"Content-Length: 5000" in head
    assert b"" == body
    assert not wire.over


def test_a_safe_request_goes_to_another_worker_once() -> None:
    """A page whose worker is killed comes from the next; after the second it is an error."""
    front, _ = make_front()
    lanes = [FakeLane(front, f"worker {n}") for n in (1, 2, 3)]
    for lane in lanes:
        front.balancer.add(lane)
    wire = Wire(front).feed(GET)
    lanes[2].lose(LOST)
    assert 1 == len(lanes[1].heads)
    lanes[1].lose(LOST)
    assert [] == lanes[0].heads
    assert [502] == statuses(wire.take())
    assert not wire.over


def test_an_unsafe_request_is_never_sent_twice() -> None:
    """A ticket whose worker is killed halfway is not made again: the client is told that nobody knows."""
    front, _ = make_front()
    lanes = [FakeLane(front), FakeLane(front)]
    for lane in lanes:
        front.balancer.add(lane)
    wire = Wire(front).feed(POST)
    lanes[1].lose(LOST, written=10)
    assert [] == lanes[0].heads
    assert [502] == statuses(wire.take())


def test_an_unsafe_request_of_which_nothing_left_is_sent_again() -> None:
    """A ticket that no worker has seen goes to another worker."""
    front, _ = make_front()
    lanes = [FakeLane(front), FakeLane(front)]
    for lane in lanes:
        front.balancer.add(lane)
    wire = Wire(front).feed(POST)
    lanes[1].lose(LOST, written=0)
    assert [b"hello"] == lanes[0].bodies
    lanes[0].say(OK)
    assert [200] == statuses(wire.take())


def test_an_answer_cut_short_is_seen_as_such() -> None:
    """Half a page is never passed off as a whole one."""
    front, _ = make_front()
    lane = FakeLane(front)
    front.balancer.add(lane)
    wire = Wire(front).feed(GET)
    lane.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    lane.lose(LOST, answered=True)
    assert wire.aborted


def test_an_answer_its_worker_gave_up_is_seen_as_such() -> None:
    """A page that failed halfway breaks the connection, and the worker goes on."""
    front, _ = make_front()
    lane = FakeLane(front)
    front.balancer.add(lane)
    wire = Wire(front).feed(GET)
    lane.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    lane.say(b"0\r\nTracd-Cluster-Failed: 1\r\n\r\n")
    assert wire.aborted
    Wire(front).feed(GET)
    assert 2 == len(lane.heads)


def test_those_who_wait_are_served_in_order_and_those_who_leave_are_not() -> None:
    """The line is first come, first served, and work is not done for clients who have gone."""
    front, _ = make_front()
    lane = FakeLane(front)
    front.balancer.add(lane)
    wires = [Wire(front).feed(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % n) for n in range(4)]
    wires[2].leave()
    for n in (0, 1, 3):
        assert lane.heads[-1].startswith(b"GET /%d " % n)
        lane.say(OK)
        assert [200] == statuses(wires[n].take())
    assert 3 == len(lane.heads)


def test_a_full_line_says_so_at_once() -> None:
    """Beyond the last place in line the answer is 503, with the time to come back."""
    front, _ = make_front(queue=1)
    Wire(front).feed(GET)
    sent = Wire(front).feed(GET).take()
    assert [503] == statuses(sent)
    assert b"Retry-After: " in sent


def test_nobody_waits_too_long_in_line() -> None:
    """The longest wait is the one that was promised."""
    front, clock = make_front(queue_timeout=5.0)
    wire = Wire(front).feed(GET)
    clock.advance(4)
    front.sweep()
    assert b"" == wire.take()
    clock.advance(2)
    front.sweep()
    assert [503] == statuses(wire.take())
    assert 0 == front.balancer.waiting


def test_nobody_waits_for_workers_that_will_not_come() -> None:
    """While workers crash over and over, clients hear it at once."""
    front, _ = make_front()
    wire = Wire(front).feed(GET)
    front.balancer.refuse_all(NobodyServing("workers keep crashing"))
    assert [503] == statuses(wire.take())
    assert [503] == statuses(Wire(front).feed(GET).take())
    front.balancer.expect()
    assert b"" == Wire(front).feed(GET).take()


def request_of(data: bytes) -> str:
    """Give method and target."""
    return data.partition(b" HTTP")[0].decode()


def test_a_worker_that_takes_too_long_is_given_up() -> None:
    """A page past its deadline is 504 and its worker is replaced."""
    front, clock = make_front(request_timeout=10.0)
    lane = FakeLane(front)
    front.balancer.add(lane)
    wire = Wire(front).feed(GET)
    clock.advance(11)
    front.sweep()
    assert [504] == statuses(wire.take())
    assert lane.given_up is not None


def test_some_requests_may_take_longer_than_others() -> None:
    """The limit goes by the target."""
    front, clock = make_front(request_timeout=10.0, request_timeouts=(("/slow", 20.0),))
    lane = FakeLane(front)
    front.balancer.add(lane)
    Wire(front).feed(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    clock.advance(19)
    front.sweep()
    assert lane.given_up is None
    clock.advance(2)
    front.sweep()
    assert "it took longer than 20 s for one request" == str(lane.given_up)


def test_the_owner_of_a_lane_hears_what_hung_and_what_was_lost() -> None:
    """With method and target, before the lane is closed."""
    front, clock = make_front(request_timeout=10.0)
    told: list[str] = []
    front.balancer.request_hung = lambda lane, what: told.append(f"{lane.name} hung: {what}")
    front.balancer.request_lost = lambda lane, what: told.append(f"{lane.name} lost: {what}")
    lanes = [FakeLane(front, f"worker {number}") for number in (1, 2)]
    for lane in lanes:
        front.balancer.add(lane)
    Wire(front).feed(GET)
    Wire(front).feed(POST)
    lanes[0].lose(WorkerLost("it closed its lane"))
    clock.advance(11)
    front.sweep()
    assert [
        f"worker 1 lost: {request_of(POST)} [7-2]",
        f"worker 2 hung: {request_of(GET)} [7-1] took longer than 10 s",
    ] == told


def test_a_worker_is_given_up_even_if_its_client_has_gone() -> None:
    """A hung worker does not hang for ever just because nobody waits for it any more."""
    front, clock = make_front(request_timeout=10.0)
    lane = FakeLane(front)
    front.balancer.add(lane)
    Wire(front).feed(POST).leave()
    clock.advance(9)
    front.sweep()
    assert lane.given_up is None
    clock.advance(2)
    front.sweep()
    assert lane.given_up is not None


def test_a_worker_ends_its_work_for_a_client_that_left() -> None:
    """A request under way is not cut off when its client leaves; the worker is free afterwards."""
    front, _ = make_front()
    lane = FakeLane(front)
    front.balancer.add(lane)
    Wire(front).feed(POST).leave()
    lane.say(OK)
    assert {} == front.abandoned
    Wire(front).feed(GET)
    assert 2 == len(lane.heads)


def test_a_slow_reader_holds_no_worker() -> None:
    """What a client does not read yet waits in the front, and the worker is free."""
    front, _ = make_front(answer_memory=1 << 20)
    lane = FakeLane(front)
    front.balancer.add(lane)
    wire = Wire(front).feed(GET)
    wire.connection.pauseProducing()
    lane.say(b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n" + b"a" * 500_000)
    assert lane.exchange is None
    assert not lane.paused
    assert b"" == wire.take()
    wire.connection.resumeProducing()
    assert wire.take().endswith(b"\r\n\r\n" + b"a" * 500_000)


@pytest.mark.parametrize("sleepy", [False, True])
def test_a_very_slow_reader_of_a_very_long_answer_makes_the_worker_wait(sleepy: bool) -> None:
    """The front's memory for one answer is bounded; a reader without any progress is cut off."""
    front, clock = make_front(answer_memory=100_000, body_timeout=30.0)
    lane = FakeLane(front)
    front.balancer.add(lane)
    wire = Wire(front).feed(GET)
    wire.connection.pauseProducing()
    lane.say(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"a" * 150_000)
    assert lane.paused
    if sleepy:
        clock.advance(31)
        front.sweep()
        assert wire.aborted
        assert not lane.paused
        return
    wire.connection.resumeProducing()
    assert not lane.paused
    lane.say(b"a" * 50_000)
    assert wire.take().endswith(b"\r\n\r\n" + b"a" * 200_000)


def test_a_page_outside_the_base_path_is_not_found() -> None:
    """Nothing outside the base path reaches a worker, and the border is that of a segment."""
    front, _ = make_front(base_path="/base")
    lane = FakeLane(front).always_ok()
    front.balancer.add(lane)
    wire = Wire(front)
    outside = ((b"/basement", 404), (b"/", 404), (b"/x/base", 404))
    for path, status in ((b"/base", 308), (b"/base/", 200), (b"/base/x", 200), *outside):
        assert [status] == statuses(wire.feed(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path).take())
    assert 2 == len(lane.heads)


def test_draining_ends_every_connection_after_its_answer() -> None:
    """At a stop, what was accepted is answered, with the word that it was the last."""
    front, clock = make_front()
    lane = FakeLane(front)
    front.balancer.add(lane)
    busy, idle = Wire(front).feed(GET), Wire(front)
    ended: list[None] = []
    front.stopService().addCallback(ended.append)
    lane.say(OK)
    assert b"Connection: close" in busy.take()
    assert busy.closed
    assert not idle.over
    clock.advance(2)
    front.sweep()
    assert idle.closed
    busy.leave()
    assert [] == ended
    idle.leave()
    assert [None] == ended


def test_an_operator_sees_what_a_worker_is_asked() -> None:
    """Method, path without the query, and since when its worker has it."""
    front, clock = make_front()
    lane = FakeLane(front)
    Wire(front).feed(b"GET /wiki/Start?secret=1 HTTP/1.1\r\nHost: x\r\n\r\n")
    clock.advance(3)
    front.sweep()
    front.balancer.add(lane)
    assert lane.exchange is not None
    assert ("GET", "/wiki/Start", "", front.now) == lane.exchange.told()


# -- who stands where


def test_a_worker_s_word_gives_somebody_a_place_among_people() -> None:
    """Until he signs out; the client is not told."""
    front, clock = make_front()
    lane = FakeLane(front)
    front.balancer.add(lane)
    request = b"GET /wiki HTTP/1.1\r\nHost: x\r\nCookie: trac_auth=5ec7e7\r\n\r\n"

    def place(user: bytes | None) -> Place:
        clock.advance(1)
        wire = Wire(front).feed(request)
        journey = wire.connection._current
        assert journey is not None
        said = b"" if user is None else b"Tracd-Cluster-User: %b\r\n" % user
        lane.say(b"HTTP/1.1 200 OK\r\n%bContent-Length: 5\r\n\r\nhe" % said)
        lane.say(b"llo")
        assert b"Tracd-Cluster" not in wire.take()
        return journey.place

    assert [VISITORS, VISITORS, PEOPLE, PEOPLE, VISITORS] == [place(user) for user in (None, b"ines", None, b"", None)]


def test_a_login_at_the_front_says_nothing_of_a_cookie() -> None:
    """Whoever has a password could make any cookie somebody's."""
    front, _ = make_front(remote_user=b"remote-user", trusted_proxies=(ip_network("10.0.0.0/8"),))
    front.gate = Gate(AuthSettings(remote_user=b"remote-user"), b"secret", front.now, None)  # type: ignore[arg-type]
    lane = FakeLane(front)
    front.balancer.add(lane)
    Wire(front).feed(b"GET / HTTP/1.1\r\nHost: x\r\nRemote-User: ines\r\nCookie: trac_auth=5ec7e7\r\n\r\n")
    lane.say(b"HTTP/1.1 200 OK\r\nTracd-Cluster-User: ines\r\nContent-Length: 0\r\n\r\n")
    wire = Wire(front).feed(b"GET / HTTP/1.1\r\nHost: x\r\nCookie: trac_auth=5ec7e7\r\n\r\n")
    journey = wire.connection._current
    assert journey is not None
    assert VISITORS == journey.place


def test_who_does_not_wait_at_the_moment_gets_a_small_page_at_once() -> None:
    """While people do, and nobody's page of the operator's own makes it larger."""
    front, clock = make_front(queue_timeout=60.0, error_page="<html>$reason" + "x" * 5000)
    lane = FakeLane(front)
    front.balancer.add(lane)
    Wire(front).feed(GET)
    waiting = Wire(front).feed(GET)
    while not waiting.sent:
        assert clock.seconds() < 1_000_050
        clock.advance(0.25)
        front.sweep()
    head = GET.replace(b"GET", b"HEAD")
    wires = (waiting, Wire(front).feed(GET), Wire(front).feed(head))
    answers = [wire.take() for wire in wires]
    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 5\r\n" in answer
        assert len(answer) < 650
    assert not any(wire.over for wire in wires)
    assert answers[-1].endswith(b"\r\n\r\n")
    assert {"class": 3} == dict(front.refused)
    person = Wire(front).feed(POST.replace(b"Host: x", b"Host: x\r\nCookie: trac_session=1"))
    assert b"" == person.take()
    lane.say(OK)
    lane.say(OK)
    assert [200] == statuses(person.take())
