"""What becomes of a request because of what it asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tracd_cluster.configuration.config import load
from tracd_cluster.settings.foreign import ForeignSettings, Upstream
from tracd_cluster.settings.kinds import KINDS, LEARNED, KindsSettings, Policy
from tracd_cluster.traffic.kinds import Kinds
from tracd_cluster.traffic.measured import LOOKS
from tracd_cluster.traffic.policies import Policies, policies_of

GIVEN = (
    ("changeset", Policy.SIGN_IN), ("log", Policy.DENY), ("query", Policy.DENY), ("query", Policy.ALLOW),
    ("/report", Policy.ALLOW), ("/burndown", Policy.SIGN_IN),
)  # fmt: skip


def learning(policies: Policies) -> Policies:
    """Let it see that /gantt is slow, and /burndown too."""
    for _ in range(30):
        for route, seconds in ((b"/wiki", 0.01), (b"/ticket/1", 0.02), (b"/gantt", 3.0), (b"/burndown", 4.0)):
            policies.took(route, seconds)
        policies.took(b"/changeset/1", 9.0)
    policies.tick(LOOKS)
    return policies


@pytest.mark.parametrize(
    ("target", "policy"),
    [
        (b"/wiki", Policy.ALLOW),
        (b"/changeset/1", Policy.SIGN_IN),
        (b"/log/trunk", Policy.DENY),
        (b"/query", Policy.ALLOW),
        (b"/search?q=a", Policy.SLOW),
        (b"/report/1", Policy.ALLOW),
        (b"/report/1?format=csv", Policy.ALLOW),
        (b"/burndown", Policy.SIGN_IN),
        (b"/gantt", Policy.SLOW),
    ],
)
def test_a_route_comes_first_then_the_kind_then_what_is_learned(target: bytes, policy: Policy) -> None:
    """Of two for the same the last one counts."""
    policies = learning(Policies(Kinds(), 0.0, GIVEN))
    assert policy is policies.of(target)
    assert policies.is_slow(target) is (policy is not Policy.ALLOW)


def test_all_kinds_are_slow_unless_somebody_says_otherwise() -> None:
    """And nobody is kept from anything."""
    policies = Policies(Kinds(), 0.0)
    assert Policy.SLOW is policies.of(b"/timeline")
    assert Policy.ALLOW is policies.of(b"/gantt")
    assert not policies.guarded
    assert dict.fromkeys([*KINDS, LEARNED], "slow") == policies.told()


def test_what_is_learned_is_told() -> None:
    """Kinds are known already, and so are routes of the options."""
    policies = learning(Policies(Kinds(), 0.0, GIVEN))
    assert ["/gantt"] == [slow.route for slow in policies.learned()]
    assert "/gantt" in repr(policies)
    assert ["/burndown", "/gantt"] == [slow.route for slow in learning(Policies(Kinds(), 0.0)).learned()]


@pytest.mark.parametrize("policy", list(Policy))
def test_what_is_learned_has_a_policy_too(policy: Policy) -> None:
    """So learning can be turned off."""
    policies = learning(Policies(Kinds(), 0.0, [(LEARNED, policy)]))
    assert policy is policies.of(b"/gantt/1")
    assert policies.guarded is (policy in (Policy.SIGN_IN, Policy.DENY))


def test_policies_change_while_it_runs() -> None:
    """What was learned stays."""
    policies = learning(Policies(Kinds(), 0.0, GIVEN))
    policies.take([("timeline", Policy.DENY)])
    assert Policy.SLOW is policies.of(b"/changeset/1")
    assert Policy.DENY is policies.of(b"/timeline")
    assert Policy.SLOW is policies.of(b"/gantt")
    assert {**dict.fromkeys([*KINDS, LEARNED], "slow"), "timeline": "deny"} == policies.told()


def test_they_know_where_projects_are() -> None:
    """Below the base path; where the pages come from elsewhere, wherever they seem to be."""
    settings = load([".", "--base-path", "/trac", "--kind", "log=deny"])
    assert Policy.DENY is policies_of(settings, 0.0).of(b"/trac/project/log")
    assert Policy.ALLOW is policies_of(settings, 0.0).of(b"/trac/log")
    single = load([".", "-s", "--kind", "log=deny"])
    assert Policy.DENY is policies_of(single, 0.0).of(b"/log")
    upstream = ForeignSettings(upstreams=(Upstream(scheme="http", host="elsewhere", port=80),))
    elsewhere = policies_of(replace(single, foreign=upstream), 0.0)
    assert Policy.DENY is elsewhere.of(b"/log")
    assert Policy.DENY is elsewhere.of(b"/project/log")
    assert () == KindsSettings().policies
