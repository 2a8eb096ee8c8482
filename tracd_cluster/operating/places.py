"""Where the control socket is: a folder for each service, named after what it listens on.

    $RUNTIME_DIRECTORY/NAME/ctl.sock          under systemd, where the unit has RuntimeDirectory=
    /run/tracd-cluster/NAME/ctl.sock          started by root
    $XDG_RUNTIME_DIR/tracd-cluster/NAME/ctl.sock
    /tmp/tracd-cluster-UID/NAME/ctl.sock

NAME is that of the first endpoint, as in ``80`` or ``127.0.0.1-8000``: no two services of a host can have the same,
and a person sees which is which. Nobody but the service's user and root can enter the folder.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from typing import Any

from tracd_cluster.errors import StartError

SOCKET = "ctl.sock"
LONGEST_PATH = 107
"""Bytes in the path of a socket (unix(7))."""
LONGEST_NAME = 40

_TCP = re.compile(r"(?:tcp6?|ssl|tls):(?:port=)?(?P<port>\d+)(?::.*?interface=(?P<address>(?:[^:\\]|\\.)+))?")
_ODD = re.compile(r"[^A-Za-z0-9._-]+")


def name_of(description: str, pid: int) -> str:
    """Name a service after an endpoint's description; one whose port the kernel chooses is named after its process."""
    match = _TCP.match(description)
    if match is not None and match["port"] == "0":
        return f"pid-{pid}"
    if match is not None:
        address = (match["address"] or "").replace("\\", "")
        text = f"{address}-{match['port']}" if address else match["port"]
    elif description.startswith("unix:"):
        text = re.sub(r"\A(?:address=)?", "", description[5:]).partition(":")[0]
    else:
        text = description
    return _ODD.sub("-", text).strip("-.")[-LONGEST_NAME:] or "service"


def description_of(address: Any) -> str:
    """Describe a socket by where it is, as we would have if it had been ours to open."""
    host = getattr(address, "host", None)
    if host is None:
        return f"unix:address={os.fsdecode(address.name or b'')}"
    anywhere = host in ("0.0.0.0", "::")  # noqa: S104 - a comparison
    return f"tcp:port={address.port}" + ("" if anywhere else f":interface={host.replace(':', chr(92) + ':')}")


def base_for(environment: Mapping[str, str], uid: int) -> str:
    """Choose where a service of this user has its folder."""
    if runtime := environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]:
        return runtime
    if uid == 0:
        return "/run/tracd-cluster"
    if runtime := environment.get("XDG_RUNTIME_DIR", ""):
        return os.path.join(runtime, "tracd-cluster")
    return f"/tmp/tracd-cluster-{uid}"  # noqa: S108 - prepare() takes it only if it is ours


def bases_to_search(environment: Mapping[str, str], uid: int) -> list[str]:
    """Give where services may be that this user may speak to; what systemd runs for a service finds that one."""
    if environment.get("RUNTIME_DIRECTORY", ""):
        return [base_for(environment, uid)]
    found = ["/run/tracd-cluster"]
    if runtime := environment.get("XDG_RUNTIME_DIR", ""):
        found.append(os.path.join(runtime, "tracd-cluster"))
    found.append(f"/tmp/tracd-cluster-{uid}")  # noqa: S108
    return list(dict.fromkeys(found))


def sockets_in(bases: list[str]) -> list[str]:
    """Find the control sockets, those of folders in folders too: systemd's RuntimeDirectory=tracd-cluster/one."""
    found: list[str] = []
    for base in bases:
        for folder in sorted(_folders(base)):
            for path in (os.path.join(place, SOCKET) for place in (folder, *sorted(_folders(folder)))):
                if path not in found and _is_socket(path):
                    found.append(path)
    return found


def _folders(path: str) -> list[str]:
    try:
        return [entry.path for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    except OSError:
        return False


def prepare(folder: str, user: int | None) -> None:
    """Make the folder of a service, for ``user`` if that is not us; raise StartError if it is not safe there."""
    base = os.path.dirname(folder)
    try:
        # /tmp is everybody's, so what is made there is for us alone; /run is root's.
        os.makedirs(base, 0o700 if base.startswith("/tmp/") else 0o755, exist_ok=True)  # noqa: S108
        check_folder(base)
        os.makedirs(folder, 0o700, exist_ok=True)
        if user is not None and os.geteuid() == 0:
            os.chown(folder, user, -1)
    except OSError as error:
        raise StartError(f"{error.filename or folder}: {error.strerror}") from None
    owner = check_folder(folder)
    if owner not in (os.geteuid(), user) or os.lstat(folder).st_mode & 0o077:
        raise StartError(f"{folder} is not a folder that only we can enter")


def check_folder(path: str) -> int:
    """Give a folder's owner; raise StartError if anybody but root and us could put something else there."""
    try:
        found = os.lstat(path)
    except OSError as error:
        raise StartError(f"{path}: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode):
        raise StartError(f"{path} is not a folder")
    if os.geteuid() not in (0, found.st_uid) and found.st_uid != 0:
        raise StartError(f"{path} belongs to somebody else")
    if found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX:
        raise StartError(f"{path} can be written by others")
    return found.st_uid
