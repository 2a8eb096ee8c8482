"""Who the service runs as."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys

import pytest

from tests.processes import FROM_TREE
from tracd_cluster.privileges import Identity, drop, identity_of

UNKNOWN = 54321

DROP = """
import json, os, sys
from tracd_cluster.privileges import drop, identity_of
drop(identity_of(*json.loads(sys.argv[1])))
try:
    os.setuid(0)
except PermissionError:
    back = False
else:
    back = os.geteuid() == 0
variables = [os.environ.get(name) for name in ("HOME", "USER", "LOGNAME")]
print(json.dumps([os.getresuid(), os.getresgid(), sorted(os.getgroups()), back, variables]))
"""


def dropped(user: int | None, group: int | None) -> list[object]:
    """Drop privileges in a process of its own, and give who that is then, and whether it can come back."""
    command = [sys.executable, "-c", DROP, json.dumps([user, group])]
    variables = {**FROM_TREE, "HOME": "/root", "USER": "root", "LOGNAME": "root"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=20, check=True)
    found: list[object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", ["root", "nobody"])
def test_a_user_brings_groups_and_home(name: str) -> None:
    """Without --group it is the user's own, and git finds the right home."""
    account = pwd.getpwnam(name)
    found = identity_of(account.pw_uid, None)
    assert (account.pw_uid, account.pw_gid) == (found.user, found.group)
    assert account.pw_gid in found.groups
    assert {"HOME": account.pw_dir, "USER": name, "LOGNAME": name} == dict(found.variables)


def test_a_group_of_choice_wins() -> None:
    """And the user's others stay."""
    nobody = pwd.getpwnam("nobody")
    found = identity_of(nobody.pw_uid, UNKNOWN)
    assert UNKNOWN == found.group
    assert UNKNOWN in found.groups


@pytest.mark.parametrize(("user", "group"), [(UNKNOWN, UNKNOWN), (UNKNOWN, None), (None, UNKNOWN), (None, None)])
def test_a_number_that_is_nobody_s_brings_nothing(user: int | None, group: int | None) -> None:
    """A container may have no names at all."""
    assert Identity(user, group) == identity_of(user, group)


def test_without_a_wish_nothing_is_given_up() -> None:
    """Most services are started as who they are to be."""
    before = os.getresuid(), os.getresgid(), os.getgroups()
    drop(identity_of(None, None))
    assert before == (os.getresuid(), os.getresgid(), os.getgroups())


@pytest.mark.needs("root")
def test_root_is_given_up_for_good() -> None:
    """User, group and all other groups, real, effective and saved: there is no way back."""
    nobody = pwd.getpwnam("nobody")
    expected = [
        [nobody.pw_uid] * 3, [nobody.pw_gid] * 3, [nobody.pw_gid], False, [nobody.pw_dir, "nobody", "nobody"],
    ]  # fmt: skip
    assert expected == dropped(nobody.pw_uid, None)


@pytest.mark.needs("root")
def test_numbers_that_are_nobody_s_have_no_other_groups() -> None:
    """None of root's is kept by an oversight, as tracd keeps them."""
    assert [[UNKNOWN] * 3, [UNKNOWN] * 3, [], False, ["/root", "root", "root"]] == dropped(UNKNOWN, UNKNOWN)


@pytest.mark.needs("root")
def test_a_group_alone_is_changed_alone() -> None:
    """As with tracd."""
    users, groups, *_ = dropped(None, UNKNOWN)
    assert ([0, 0, 0], [UNKNOWN] * 3) == (users, groups)


def test_who_is_not_root_cannot_become_somebody_else() -> None:
    """The message says whom it was to be, and what it takes."""
    program = (
        "import os\n"
        "from tracd_cluster.errors import StartError\n"
        "from tracd_cluster.privileges import drop, identity_of\n"
        f"if os.getuid() == 0: os.setgid({UNKNOWN}); os.setuid({UNKNOWN})\n"
        "drop(identity_of(os.getuid(), os.getgid()))\n"
        "try: drop(identity_of(1, 1))\n"
        "except StartError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=FROM_TREE, capture_output=True, text=True, timeout=20, check=True
    )
    assert (
        "cannot run as user 1, group 1: Operation not permitted; only root can become somebody else"
        == done.stdout.strip()
    )
