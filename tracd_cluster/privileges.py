"""Who the service runs as, once its ports are open and its keys are read."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass

from tracd_cluster.errors import StartError


@dataclass(frozen=True, slots=True)
class Identity:
    """A user, a group and the user's other groups, by their numbers; None is left as it is."""

    user: int | None
    group: int | None
    groups: tuple[int, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    """What the environment says of a user: root's home is not readable for others, and git stops at that."""


def identity_of(user: int | None, group: int | None) -> Identity:
    """Complete ``--user`` and ``--group``: without the latter it is the user's own."""
    try:
        account = pwd.getpwuid(user) if user is not None else None
    except KeyError:
        account = None
    if account is None:
        return Identity(user, group)
    group = account.pw_gid if group is None else group
    groups = tuple(os.getgrouplist(account.pw_name, group))
    variables = (("HOME", account.pw_dir), ("USER", account.pw_name), ("LOGNAME", account.pw_name))
    return Identity(user, group, groups, variables)


def drop(identity: Identity) -> None:
    """Become somebody else for good, with that user's groups and none of root's, which tracd keeps.

    Raises StartError if this process may not.
    """
    user, group = identity.user, identity.group
    try:
        if user is not None and user != os.geteuid():
            os.setgroups(identity.groups)
        if group is not None:
            os.setgid(group)
        if user is not None:
            os.setuid(user)
    except OSError as error:
        raise StartError(
            f"cannot run as user {user}, group {group}: {error.strerror}; only root can become somebody else"
        ) from None
    os.environ.update(identity.variables)
