"""A machine that tries to break the planner: whatever happens, the pool recovers, and stops when it is told to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tracd_cluster.workers.plan import plan
from tracd_cluster.workers.steps import (
    Desired,
    Drain,
    Forget,
    ForgetTemplate,
    Fork,
    StartTemplate,
    Step,
)
from tracd_cluster.workers.table import Table
from tracd_cluster.workers.worker import Life, Template, Worker


class PoolMachine(RuleBasedStateMachine):
    """Processes that start, fail, hang and die at random, under random wishes, with the steps performed on paper."""

    @initialize(
        count=st.integers(1, 3),
        broken=st.sets(st.integers(2, 15), max_size=8),
        sick=st.sets(st.integers(2, 15), max_size=8),
        worse=st.sets(st.integers(2, 15), max_size=8),
    )
    def begin(self, count: int, broken: set[int], sick: set[int], worse: set[int]) -> None:
        self.desired = Desired(count=count)
        self.table = Table()
        self.now = 0.0
        self.were_ready = 0
        self.broken = broken
        """Generations whose template does not get ready."""
        self.sick = sick
        """Generations whose workers do not get ready, as long as an older one is there."""
        self.worse = worse
        """Generations that could serve, but less well than one which runs: they are not let."""
        self.running: set[tuple[int, ...]] = set()
        self.wake_at: float | None = None
        self.turn()

    # the supervisor's part, on paper

    def turn(self) -> None:
        steps: list[Step] = []
        for _ in range(30):
            before = repr(self.table)
            steps, self.wake_at = plan(
                self.desired, self.table.templates.values(), self.table.workers.values(), self.now
            )
            if not steps:
                self.check_rest()
                return
            for step in steps:
                self.perform(step)
                assert len(self.those(Life.READY)) <= self.most_ready, "more than one too many"
            assert before != repr(self.table)
            if not self.desired.stopping and any(isinstance(step, Drain) for step in steps):
                assert [w for w in self.table.workers.values() if w.life is Life.READY], "the last ready one drains"
        raise AssertionError(f"the planner does not come to rest: {steps}")

    @property
    def most_ready(self) -> int:
        """What may be ready while steps are taken; what there was too much before a wish takes a turn to go."""
        return max(self.desired.count, self.were_ready) + 1

    def check_rest(self) -> None:
        """What holds whenever there is nothing to do at the moment."""
        ready = self.those(Life.READY)
        self.were_ready = len(ready)
        assert self.desired.stopping or len(ready) <= self.desired.count
        if not self.desired.stopping and (templates := self.templates(Life.READY)):
            self.somebody_comes(max(template.generation for template in templates))

    def somebody_comes(self, current: int) -> None:
        """Nobody serves or starts only while no name is free: who had it has not gone, or failed too often."""
        if self.those(Life.READY, Life.STARTING):
            return
        have = {w.number: w for w in self.table.workers.values() if w.generation == current}
        leaving = [w for w in have.values() if w.leaving and w.number <= self.desired.count]
        for number in range(1, self.desired.count + len(leaving) + 1):
            one = have.get(number)
            assert one is not None, f"nobody is left, nor worker {number}"
            assert one.live or one.not_before > self.now, f"nobody is left, and {one!r} has no successor"

    def perform(self, step: Step) -> None:
        match step:
            case Drain(number, generation) if number <= self.desired.count and not self.desired.stopping:
                # Not for there being too many: its generation goes, or it is its turn to be recycled.
                live = [w for w in self.table.workers.values() if w.live]
                if not any(w.generation > generation for w in live if w.number == number):
                    assert self.table.workers[number, generation].due
                    assert {generation} == {w.generation for w in live}
                    assert not self.those(Life.DRAINING, Life.STOPPING), "two are recycled at once"
            case StartTemplate(generation):
                self.running.add((generation,))
            case Fork(number, generation):
                assert (number, generation) not in self.running
                self.running.add((number, generation))
            case Forget(number, generation):
                assert (number, generation) not in self.running
            case ForgetTemplate(generation):
                assert not [one for one in self.running if one[-1] == generation]
            case _:
                pass
        self.table.apply(step, self.desired, self.now)

    # what may happen

    def those(self, *lives: Life) -> list[Worker]:
        return [w for w in self.table.workers.values() if w.life in lives]

    def templates(self, *lives: Life) -> list[Template]:
        return [t for t in self.table.templates.values() if t.life in lives]

    def served(self) -> list[Template]:
        """Give those that a new one is measured by."""
        return [t for t in self.table.templates.values() if t.served]

    def unforked(self) -> Iterator[Worker]:
        for one in self.table.workers.values():
            if one.live and one.pid is None and self.table.templates[one.generation].live:
                yield one

    @precondition(lambda self: bool(self.templates(Life.STARTING)))
    @rule()
    def template_starts_or_fails(self) -> None:
        [one] = self.templates(Life.STARTING)
        if one.generation in self.broken:
            self.template_ends(one)
        elif one.generation in self.worse and self.served():
            one.stop(self.now, self.now + self.desired.terminate_timeout, "a plugin would be lost")
            self.turn()
        else:
            one.get_ready(self.now)
            self.turn()

    @precondition(lambda self: bool(self.templates(Life.STARTING, Life.READY, Life.STOPPING)))
    @rule(data=st.data())
    def template_dies(self, data: st.DataObject) -> None:
        alive = self.templates(Life.STARTING, Life.READY, Life.STOPPING)
        self.template_ends(data.draw(st.sampled_from(alive)))

    def template_ends(self, one: Template) -> None:
        self.running.discard((one.generation,))
        one.end(self.now)
        for child in self.table.workers_of(one.generation):
            if child.pid is None:
                self.worker_ends(child)
        self.turn()

    def worker_ends(self, one: Worker) -> None:
        self.running.discard(one.key)
        one.end(self.now)

    @precondition(lambda self: any(self.unforked()))
    @rule(data=st.data(), fails=st.booleans())
    def fork_answered(self, data: st.DataObject, fails: bool) -> None:
        one = data.draw(st.sampled_from(list(self.unforked())))
        if fails:
            self.worker_ends(one)
        else:
            one.pid = 7
        self.turn()

    @precondition(lambda self: any(w.pid for w in self.those(Life.STARTING)))
    @rule(data=st.data())
    def worker_starts_or_fails(self, data: st.DataObject) -> None:
        self.worker_starts(data.draw(st.sampled_from([w for w in self.those(Life.STARTING) if w.pid])))
        self.turn()

    def worker_starts(self, one: Worker) -> None:
        if one.generation in self.sick and len(self.templates(Life.READY)) > 1:
            self.worker_ends(one)
        else:
            one.get_ready(self.now)
            self.table.templates[one.generation].served += 1

    @precondition(lambda self: any(w.live and w.pid for w in self.table.workers.values()))
    @rule(data=st.data(), served=st.integers(0, 1))
    def worker_exits(self, data: st.DataObject, served: int) -> None:
        one = data.draw(st.sampled_from([w for w in self.table.workers.values() if w.live and w.pid]))
        one.served = served if one.ready_at is not None else 0
        self.worker_ends(one)
        self.turn()

    @precondition(lambda self: bool(self.those(Life.STARTING, Life.READY, Life.DRAINING)))
    @rule(data=st.data())
    def lane_is_lost(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(self.those(Life.STARTING, Life.READY, Life.DRAINING)))
        one.in_flight = 0
        one.stop(self.now, self.now + 1, "its lane was lost")
        self.turn()

    @precondition(lambda self: bool(self.those(Life.READY)))
    @rule(data=st.data(), busy=st.integers(0, 1))
    def worker_is_due(self, data: st.DataObject, busy: int) -> None:
        data.draw(st.sampled_from(self.those(Life.READY))).due = "served enough"
        self.turn()
        for one in self.those(Life.DRAINING):
            one.in_flight = busy

    @precondition(lambda self: bool(self.those(Life.READY)))
    @rule(data=st.data())
    def worker_hangs(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(self.those(Life.READY)))
        one.hung = True
        one.stop(self.now, self.now + 0.5, "it hung")
        self.turn()

    @precondition(lambda self: bool(self.those(Life.READY)))
    @rule(count=st.integers(1, 4), busy=st.integers(0, 1), wish=st.sampled_from(["scale", "generation"]))
    def wish(self, count: int, busy: int, wish: str) -> None:
        if wish == "scale":
            self.desired.count = count
        else:
            self.desired.generation = max(self.desired.generation, *self.table.templates) + 1
        self.turn()
        for one in self.those(Life.DRAINING):
            one.in_flight = busy

    @precondition(lambda self: bool(self.those(Life.READY)))
    @rule(edits=st.integers(2, 5))
    def edits_in_a_row(self, edits: int) -> None:
        """Each wish comes while the last one is being fulfilled: the newest wins, and one is begun at a time."""
        for _ in range(edits):
            self.desired.generation = max(self.desired.generation, *self.table.templates) + 1
            self.turn()
            starting = self.templates(Life.STARTING)
            assert [self.desired.generation] == [one.generation for one in starting]

    @rule(seconds=st.sampled_from([0.4, 3.0, 40.0, 200.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.turn()

    @invariant()
    def records_are_sound(self) -> None:
        self.table.check()
        if not self.desired.stopping:
            self.one_takes_over_at_a_time()
        live = {w.key for w in self.table.workers.values() if w.live}
        assert live | {(t.generation,) for t in self.table.templates.values() if t.live} == self.running
        assert self.wake_at is None or self.wake_at > self.now

    def one_takes_over_at_a_time(self) -> None:
        """Of one generation only there are workers that start in place of others, and one of it."""
        held = {w.number: w.generation for w in self.those(Life.READY)}
        replacing = [w for w in self.those(Life.STARTING) if held.get(w.number, w.generation) < w.generation]
        assert len(replacing) <= 1, replacing
        holding = Counter(w.number for w in self.those(Life.STARTING, Life.READY))
        assert max(holding.values(), default=0) <= 2, "three in a slot"

    # the end of every run: quiet, then stop

    def settle(self) -> None:
        """Let everything work as it should from now on, until nothing moves any more."""
        for _ in range(500):
            self.turn()
            if self.templates(Life.STARTING):
                self.template_starts_or_fails()
            elif forking := next(self.unforked(), None):
                forking.pid = 7
            elif starting := self.those(Life.STARTING):
                self.worker_starts(starting[0])
            elif draining := self.those(Life.DRAINING):
                draining[0].in_flight = 0
            elif stopping := self.those(Life.STOPPING):
                self.worker_ends(stopping[0])
            elif leaving := self.templates(Life.STOPPING):
                self.template_ends(leaving[0])
            elif self.wake_at is not None:
                self.now = self.wake_at
            else:
                return
        raise AssertionError(f"no quiet: {self.table}")

    def teardown(self) -> None:
        if not hasattr(self, "table"):
            return
        self.settle()
        self.check_quiet()
        # A wish from rest: the new generation takes over if it can, and else the old one stays.
        self.desired.generation = max(self.table.templates) + 1
        self.settle()
        self.check_quiet()
        self.desired.stopping = True
        self.settle()
        assert self.table.empty
        assert set() == self.running

    def check_quiet(self) -> None:
        """The pool is what was wished for, as far as it works."""
        current = max(t.generation for t in self.templates(Life.READY))
        expected = {(number, current) for number in range(1, self.desired.count + 1)}
        assert expected == set(self.table.workers)
        assert len(expected) == len(self.those(Life.READY))
        assert [] == [w for w in self.those(Life.READY) if w.due]
        newest = self.table.templates[max(self.table.templates)]
        assert newest.generation >= self.desired.generation
        assert newest.failed or newest.generation == current


def test_whatever_happens_in_whatever_order() -> None:
    """The pool keeps what the planner promises."""
    unhurried = settings(stateful_step_count=25, suppress_health_check=[HealthCheck.too_slow])
    run_state_machine_as_test(PoolMachine, settings=unhurried)
