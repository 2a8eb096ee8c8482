"""What becomes of a request because of what it asks for: the policy of its kind, of its route, or of what is learned.

A route that the options name comes first, then the kind. What is of neither is measured, and if it turns out to be
slow it is treated as all that was learned.
"""

from __future__ import annotations

from collections.abc import Iterable

from tracd_cluster.settings.kinds import KINDS, LEARNED, Policy
from tracd_cluster.settings.whole import Settings
from tracd_cluster.traffic.kinds import Kinds
from tracd_cluster.traffic.measured import Measured, Slow

DEFAULT = Policy.SLOW


class Policies:
    """Decides by targets; ``guarded`` says that some pages are not for everybody."""

    def __init__(self, kinds: Kinds, now: float, given: Iterable[tuple[str, Policy]] = ()) -> None:
        self.kinds = kinds
        self._measured = Measured(now)
        self.take(given)

    def __repr__(self) -> str:
        return f"<Policies {self._measured!r}>"

    def take(self, given: Iterable[tuple[str, Policy]]) -> None:
        """Go by these policies from now on; of two for the same the last one counts."""
        said = dict(given)
        self._by_kind = {kind: said.get(kind, DEFAULT) for kind in KINDS} | {"": Policy.ALLOW}
        self._by_route = {name: policy for name, policy in said.items() if name.startswith("/")}
        self._learned = said.get(LEARNED, DEFAULT)
        self.guarded = not {Policy.SIGN_IN, Policy.DENY}.isdisjoint(said.values())

    def of(self, target: bytes) -> Policy:
        """Give the policy for a request."""
        kind = self.kinds.kind_of(target)
        if self._by_route or (self._measured.slow and not kind):
            route = self.kinds.route_of(target)
            if route in self._by_route:
                return self._by_route[route]
            if not kind and route in self._measured.slow:
                return self._learned
        return self._by_kind[kind]

    def is_slow(self, target: bytes) -> bool:
        """Tell whether a request is to be one of few."""
        return self.of(target) is not Policy.ALLOW

    # -- what is learned

    def took(self, target: bytes, seconds: float) -> None:
        """Take note of how long a worker took until it answered with a page."""
        if not self.kinds.kind_of(target):
            route = self.kinds.route_of(target)
            if route and route not in self._by_route:
                self._measured.took(route, seconds)

    def tick(self, now: float) -> None:
        """Let time pass."""
        self._measured.tick(now)

    def learned(self) -> list[Slow]:
        """Give the routes that were learned to be slow, the slowest first."""
        return sorted(self._measured.slow.values(), key=lambda slow: -slow.seconds)

    def told(self) -> dict[str, str]:
        """Give all policies by what they are for: kinds, what is learned, and routes of the options."""
        found = {name: policy.value for name, policy in self._by_kind.items() if name}
        return found | {LEARNED: self._learned.value} | {name: each.value for name, each in self._by_route.items()}


def single_of(settings: Settings) -> bool | None:
    """Tell whether the one project is at the base path itself; servers that are not ours have them where they like."""
    elsewhere = settings.foreign.upstreams or settings.pool.command is not None
    return None if elsewhere else settings.pool.projects.single_env


def policies_of(settings: Settings, now: float) -> Policies:
    """Make the policies of a service."""
    kinds = Kinds(settings.front.base_path.encode("ascii"), single_of(settings))
    return Policies(kinds, now, settings.kinds.policies)
