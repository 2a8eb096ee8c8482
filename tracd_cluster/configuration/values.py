"""How the text of one option becomes its value; what cannot be read raises ArgumentTypeError with what was expected.

Readers of paths take a second argument, the folder that a relative path starts from: the one the command was given
in, or that of the configuration file. Paths become absolute at once, before a daemon changes its folder.
"""

from __future__ import annotations

import grp
import ipaddress
import os
import pwd
import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Literal

from tracd_cluster.settings.auth import AuthEntry
from tracd_cluster.settings.front import Network

_SIZE = re.compile(r"(\d+)\s*([kmgt]?)(?:i?b)?\Z", re.IGNORECASE)
_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}
_BASE_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)*\Z")
"""Without percent escapes: what a client writes and what Trac sees of it are the same then, byte for byte."""
_HOST = re.compile(r"(?:\*|(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])\Z")
_FIELD_NAME = re.compile(r"[A-Za-z0-9-]+\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

TAKEN_NAMES = frozenset((
    "accept", "authorization", "connection", "content-length", "content-type", "cookie", "expect", "forwarded", "host",
    "keep-alive", "origin", "range", "referer", "te", "trailer", "transfer-encoding", "upgrade", "user-agent",
    "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto",
))  # fmt: skip
"""Header fields that say something else already."""


def size(text: str) -> int:
    """Read a size in bytes, such as ``65536``, ``64k`` or ``1G`` (powers of 1024)."""
    match = _SIZE.match(text.strip())
    if match is None:
        raise ArgumentTypeError(f"{text!r} is not a size such as 65536, 64k or 1G")
    return int(match[1]) << _UNITS[match[2].lower()]


def seconds(text: str) -> float:
    """Read a time in seconds, more than 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e9:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def lasting(text: str) -> int:
    """Read a time in whole seconds, 0 for none."""
    if not _is_number(text) or int(text) >= 10**9:
        raise ArgumentTypeError(f"{text!r} is not a whole number of seconds such as 31536000, a year")
    return int(text)


def client_cert(text: str) -> str:
    """Read whether clients must have a certificate."""
    if text not in ("require", "optional"):
        raise ArgumentTypeError(f"{text!r} is neither require nor optional")
    return text


def client_cert_user(text: str) -> str:
    """Read what of a client's certificate names the user."""
    if text not in ("cn", "email", "dns"):
        raise ArgumentTypeError(f"{text!r} is none of cn, email and dns")
    return text


def delay(text: str) -> float:
    """Read a time in seconds, which may be 0."""
    return 0.0 if text.strip() in ("0", "0.0") else seconds(text)


def port(text: str) -> int:
    """Read a port number."""
    if not _is_number(text) or int(text) > 65535:
        raise ArgumentTypeError(f"{text!r} is not a port number from 0 to 65535")
    return int(text)


def threads(text: str) -> int:
    """Read a number of threads; all their lanes have to fit into one message to the template (unix(7), SCM_RIGHTS)."""
    if not _is_number(text) or not 1 <= int(text) <= 64:
        raise ArgumentTypeError(f"{text!r} is not a number from 1 to 64")
    return int(text)


def places(text: str) -> int:
    """Read a number of at least 0."""
    if not _is_number(text):
        raise ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return int(text)


def _is_number(text: str) -> bool:
    # Not isdigit alone: int() does not read every digit there is, and reads some that nobody means.
    return text.isascii() and text.isdigit() and len(text) < 16


def workers(text: str) -> tuple[int, int]:
    """Read a number of workers, or two as in ``2..8``, the least and the most; ``auto`` is one for each processor."""
    least, dots, most = text.partition("..")
    found = [_workers(one, text) for one in ((least, most) if dots else (least,))]
    if found[0] > found[-1]:
        raise ArgumentTypeError(f"{text!r} has the larger number first")
    return found[0], found[-1]


def _workers(one: str, text: str) -> int:
    if one == "auto":
        return processors()
    if not _is_number(one) or not 1 <= int(one) <= 1000:
        raise ArgumentTypeError(f"{text!r} is neither auto nor a number from 1 to 1000, nor two as in 2..8")
    return int(one)


def workers_text(bounds: tuple[int, int]) -> int | str:
    """Write what ``workers`` reads."""
    return bounds[0] if bounds[0] == bounds[1] else f"{bounds[0]}..{bounds[1]}"


def positive(text: str) -> int:
    """Read a number of at least 1."""
    if not _is_number(text) or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


def timeout_for(text: str) -> tuple[str, float]:
    """Read ``PART=SECONDS``: a piece of a URL, or several with ``*`` between, and how long such requests may take."""
    part, _, time = text.rpartition("=")
    if not part.strip("*") or not part.isascii() or " " in part:
        raise ArgumentTypeError(f"{text!r} is not a part of a URL and a time, as in /report/=300")
    try:
        return part, seconds(time)
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"{text!r}: {error}") from None


def processors() -> int:
    """Give the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def path(text: str, folder: str = "") -> str:
    """Read a path that need not exist yet."""
    return os.path.abspath(os.path.join(folder, text))


def control(text: str, folder: str = "") -> str:
    """Read the path of a socket, or ``off`` or ``auto``."""
    return text if text in ("off", "auto") else path(text, folder)


def existing_file(text: str, folder: str = "") -> str:
    """Read the path of a file that must exist."""
    found = path(text, folder)
    if not os.path.exists(found):
        raise ArgumentTypeError(f"path {text!r} does not exist")
    if os.path.isdir(found):
        raise ArgumentTypeError(f"path {text!r} is a folder; a file was expected")
    return found


def existing_folder(text: str, folder: str = "") -> str:
    """Read the path of a folder that must exist."""
    found = path(text, folder)
    if not os.path.isdir(found):
        raise ArgumentTypeError(f"path {text!r} {'is not a folder' if os.path.exists(found) else 'does not exist'}")
    return found


def environment(text: str, folder: str = "") -> str:
    """Read the path of a folder that must exist."""
    found = path(text, folder)
    if not os.path.isdir(found):
        what = "is not a folder" if os.path.exists(found) else "does not exist"
        raise ArgumentTypeError(f"path {text!r} {what}; a Trac environment was expected")
    return found


def base_path(text: str) -> str:
    """Read a URL prefix; slashes at its ends do not matter, as with tracd."""
    stripped = text.strip("/")
    prefix = "/" + stripped if stripped else ""
    if _BASE_PATH.match(prefix) is None or any(part in (".", "..") for part in prefix.split("/")):
        raise ArgumentTypeError(f"{text!r} is not the path of a URL such as /some/path")
    return prefix


def application(text: str) -> str:
    """Read the name of a WSGI application."""
    if re.fullmatch(r"[\w.]+:\w+", text) is None:
        raise ArgumentTypeError(f"{text!r} is not of the form module:callable")
    return text


def protocol(text: str) -> str:
    """Read tracd's name of a protocol; those that tracd leaves to the package flup are not spoken here."""
    if text in ("scgi", "ajp", "fcgi"):
        raise ArgumentTypeError(
            f"{text!r} is not spoken here; choose http or https, and let the server in front use that (proxy_pass, "
            "ProxyPass)"
        )
    if text not in ("http", "https"):
        raise ArgumentTypeError(f"{text!r} is neither http nor https")
    return text


def umask(text: str) -> int:
    """Read a file mode creation mask in octal notation."""
    try:
        value = int(text, 8)
    except ValueError:
        value = -1
    if not 0 <= value <= 0o777:
        raise ArgumentTypeError(f"{text!r} is not a mask in octal notation such as 022")
    return value


def user(text: str) -> int:
    """Read the name or number of a user; give the number."""
    if _is_number(text):
        return int(text)
    try:
        return pwd.getpwnam(text).pw_uid
    except KeyError:
        raise ArgumentTypeError(f"user not found: {text!r}") from None


def group(text: str) -> int:
    """Read the name or number of a group; give the number."""
    if _is_number(text):
        return int(text)
    try:
        return grp.getgrnam(text).gr_gid
    except KeyError:
        raise ArgumentTypeError(f"group not found: {text!r}") from None


def network(text: str) -> Network | None:
    """Read an address or a network in CIDR notation; ``unix`` gives None and means whoever may use a Unix socket."""
    if text == "unix":
        return None
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ArgumentTypeError(
            f"{text!r} is neither an address, a network such as 10.0.0.0/8, nor unix ({error})"
        ) from None


def plain_network(text: str) -> Network:
    """Read an address or a network in CIDR notation."""
    found = None if text == "unix" else network(text)
    if found is None:
        raise ArgumentTypeError("'unix' is no address of a client")
    return found


def rate(text: str) -> float:
    """Read how often something may be, a second; 0 for as often as it likes."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if value != 0 and not 0.001 <= value <= 1e6:
        raise ArgumentTypeError(f"{text!r} is neither 0 nor a number a second from 0.001 to 1000000")
    return value


def field_name(text: str) -> str:
    """Read the name of a header field, without an underscore: behind WSGI it could not be told from a hyphen."""
    if _FIELD_NAME.match(text) is None:
        raise ArgumentTypeError(f"{text!r} is not the name of a header field of letters, digits and hyphens")
    if text.lower() in TAKEN_NAMES:
        raise ArgumentTypeError(f"{text!r} says something else already; choose a field of its own, as in Remote-User")
    return text


def host(text: str) -> str:
    """Read a host name, ``*.`` and a domain for all below it, or ``*`` for any."""
    if _HOST.match(text) is None:
        raise ArgumentTypeError(f"{text!r} is not a host name such as trac.example.org, *.example.org or *")
    return text.lower()


def canonical_host(text: str) -> str:
    """Read a host name, with its port if clients need one."""
    name, _, number = text.partition(":")
    if "*" in name or _HOST.match(name) is None or (number and not _is_number(number)):
        raise ArgumentTypeError(f"{text!r} is not a host name such as trac.example.org or trac.example.org:8443")
    return text.lower()


def auth_entry(kind: Literal["basic", "digest"]) -> Callable[..., AuthEntry]:
    """Make the reader of tracd's ``PROJECT,FILE,REALM`` (trac/web/standalone.py, _AuthAction)."""

    def read(text: str, folder: str = "") -> AuthEntry:
        parts = text.split(",")
        if len(parts) != 3:
            raise ArgumentTypeError(
                f"{text!r} has {len(parts)} parts between commas; three were expected, as in project,file,realm"
            )
        project, file, realm = parts
        if _CONTROL.search(realm):
            raise ArgumentTypeError(f"the realm {realm!r} has a control character")
        return AuthEntry(kind=kind, project=project, file=existing_file(file, folder), realm=realm)

    return read
