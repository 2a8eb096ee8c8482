"""``tracd-cluster passwd``: users and passwords of htpasswd and htdigest files, with the options of Apache's tools."""

from __future__ import annotations

import argparse
import fcntl
import getpass
import hmac
import io
import os
import re
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO

from tracd_cluster.auth.password_file import Unusable, read, reason_of
from tracd_cluster.auth.password_lines import edited, knows
from tracd_cluster.auth.passwords import (
    LONGEST,
    SCHEMES,
    checked_cost,
    digest_ha1,
    hash_password,
    longest,
    parse_htdigest,
    parse_htpasswd,
    verify,
)
from tracd_cluster.errors import ConfigError, TracdClusterError

FILE, SYNTAX, MISMATCH, INTERRUPTED, TOO_LONG, BAD_NAME, NO_PASSWORD_FILE = range(1, 8)
"""Exit statuses, those of htpasswd(1)."""

LONGEST_NAME = 255
"""Bytes of a user or a realm; htpasswd has the same limit."""

DIGEST_HASHES = ("md5", "sha256", "md5+sha256")

DESCRIPTION = "Create and change password files: htpasswd files, or htdigest files with --digest."
USAGE = "%(prog)s [-c | -D | -v] [-b | -i] [--hash NAME] [-C COST] [--digest REALM] FILE USER [PASSWORD]"


class Refused(TracdClusterError):
    """The reason why nothing was done, and the exit status that says so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done: ``deed`` is create, change, delete or verify; without a realm in an htpasswd file."""

    deed: str
    path: str
    user: str
    realm: str | None
    hash: str | None
    cost: int | None
    password: str | None = field(repr=False)
    from_stdin: bool

    @property
    def key(self) -> list[str]:
        """The fields that come before the hash in the user's lines."""
        return [self.user] if self.realm is None else [self.user, self.realm]


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line; as with htpasswd, options end where FILE stands."""
    parser = argparse.ArgumentParser(prog="tracd-cluster passwd", description=DESCRIPTION, usage=USAGE,
                                     allow_abbrev=False)  # fmt: skip
    deed = parser.add_mutually_exclusive_group()
    for option, name, help in (
        ("-c", "create", "create FILE, or empty it if it is there"),
        ("-D", "delete", "delete the user"),
        ("-v", "verify", "tell whether the password is right, and change nothing"),
    ):
        deed.add_argument(option, action="store_const", dest="deed", const=name, default="change", help=help)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("-b", action="store_true", dest="batch",
                        help="PASSWORD is on the command line, where others may see it")  # fmt: skip
    source.add_argument("-i", "--stdin", action="store_true", help="read the password from standard input, one line")
    parser.add_argument("--hash", metavar="NAME", help=f"{', '.join(SCHEMES)} (default: {SCHEMES[0]}), with --digest "
                        f"{', '.join(DIGEST_HASHES)} (default: what the user has, or md5)")  # fmt: skip
    parser.add_argument("-C", "-r", "--cost", type=int, metavar="COST",
                        help="cost of bcrypt (4 to 17, default 12) or argon2, rounds of sha256 or sha512")  # fmt: skip
    for option, name in ("-B", "bcrypt"), ("-m", "apr1"), ("-s", "sha"), ("-2", "sha256"), ("-5", "sha512"):
        parser.add_argument(option, action="store_const", dest="hash", const=name, help=f"--hash {name}")
    parser.add_argument("--digest", metavar="REALM", help="FILE is an htdigest file; the user is one of this realm")
    parser.add_argument("file", metavar="FILE")
    # What follows FILE is never an option: a password may well begin with a dash.
    parser.add_argument("operands", metavar="USER [PASSWORD]", nargs=argparse.REMAINDER)
    return parser


def order_of(arguments: list[str]) -> Order:
    """Make an order of a command line, or raise Refused; argparse ends the process for what it refuses."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    with_password = options.batch and options.deed != "delete"
    if len(options.operands) != 1 + with_password:
        expected = "USER and PASSWORD" if with_password else "USER"
        parser.error(f"options, FILE and then {expected} are expected; PASSWORD needs -b")
    user = checked_name("user name", options.operands[0])
    realm = None if options.digest is None else checked_name("realm", options.digest)
    if realm is None:
        checked_cost(scheme_for(options.hash), options.cost)
    elif options.hash not in (None, *DIGEST_HASHES):
        raise Refused(SYNTAX, f"hash {options.hash!r} of a digest is none of {', '.join(DIGEST_HASHES)}")
    elif options.cost is not None:
        raise Refused(SYNTAX, "a digest has no cost")
    password = options.operands[1] if with_password else None
    return Order(options.deed, options.file, user, realm, options.hash, options.cost, password, options.stdin)


def scheme_for(hash: str | None) -> str:
    """Give the scheme of a new hash in an htpasswd file."""
    if hash not in (None, *SCHEMES):
        raise Refused(SYNTAX, f"hash {hash!r} is none of {', '.join(SCHEMES)}")
    return hash or SCHEMES[0]


def checked_name(what: str, name: str) -> str:
    """Give back a name that a password file can hold, and that is read from it as it is; raise Refused for others."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise Refused(BAD_NAME, f"the {what} is not valid text (UTF-8)") from error
    if size > LONGEST_NAME:
        raise Refused(TOO_LONG, f"the {what} is longer than {LONGEST_NAME} bytes")
    if not name or name != name.strip():
        raise Refused(BAD_NAME, f"the {what} {name!r} is empty, or begins or ends with a space")
    bad = next((each for each in name if each in ":#" or unicodedata.category(each) == "Cc"), None)
    if bad is not None:
        raise Refused(BAD_NAME, f"the {what} {name!r} has the illegal character {bad!r} in it")
    return name


def main(arguments: list[str], stdin: BinaryIO | None = None) -> int:
    """Do what the command line says, and give the exit status."""
    if stdin is None:
        stdin = sys.stdin.buffer if sys.stdin else io.BytesIO()
    try:
        return perform(order_of(arguments), stdin)
    except SystemExit as end:
        return int(end.code or 0)
    except Refused as error:
        return say(str(error), error.status)
    except ConfigError as error:
        return say(str(error), SYNTAX)
    except UnicodeDecodeError:
        return say("the password is not valid text (UTF-8)", SYNTAX)
    except (KeyboardInterrupt, EOFError):
        return say("interrupted, nothing was changed", INTERRUPTED)


def say(text: str, status: int = 0) -> int:
    """Tell the user something, and give back the status that goes with it."""
    sys.stderr.write(f"{'tracd-cluster passwd: ' if status else ''}{text}\n")
    return status


def perform(order: Order, stdin: BinaryIO) -> int:
    """Change a password file, or verify a password of it."""
    # Through a link to what it leads to, or the link would be replaced by a file of its own.
    path = os.path.realpath(order.path)
    text = current(order, path)
    if order.deed == "verify":
        return verify_user(order, text, password_of(order, stdin))
    hashes = [] if order.deed == "delete" else new_hashes(order, text, password_of(order, stdin))
    try:
        with locked(os.path.dirname(path)) as folder:
            # Read again: somebody else may have changed it while the password was typed.
            text = current(order, path)
            found = knows(text, order.key)
            changed = edited(text, order.key, hashes)
            if hashes or found:
                replace(path, changed, folder)
    except OSError as error:
        raise Refused(FILE, f"cannot write {order.path}: {reason_of(error)}") from error
    return tell(order, found, changed)


def tell(order: Order, found: bool, changed: bytes) -> int:
    """Say what was done, in htpasswd's words."""
    if order.deed != "delete":
        return say(f"{'Updating' if found else 'Adding'} password for user {order.user}")
    if not found:
        return say(f"User {order.user} not found")
    parsed = parse_htpasswd(changed) if order.realm is None else parse_htdigest(changed, order.realm)
    if not parsed.users:
        anybody = "nobody:*" if order.realm is None else f"nobody:{order.realm}:*"
        say(f"{order.path} has no users now: a running tracd-cluster takes that for a mistake and goes on with those "
            f"it knows. To let nobody log in, write the line {anybody} into it.")  # fmt: skip
    return say(f"Deleting password for user {order.user}")


def current(order: Order, path: str) -> bytes:
    """Read the file as it is now; with -c nothing of it counts."""
    if order.deed == "create":
        if os.path.exists(path) and not os.path.isfile(path):
            raise Refused(FILE, f"{order.path} is not a regular file")
        return b""
    try:
        text = read(path)[1]
    except FileNotFoundError as error:
        raise Refused(FILE, f"{order.path} does not exist; use -c to create it") from error
    except (OSError, Unusable) as error:
        raise Refused(FILE, f"cannot read {order.path}: {reason_of(error)}") from error
    form = "user:hash" if order.realm is None else "user:realm:hash"
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.split(b"#")[0].strip()
        if entry and entry.count(b":") < form.count(":"):
            raise Refused(NO_PASSWORD_FILE, f"{order.path}, line {number} is not of the form {form}")
        if order.realm is None and re.fullmatch(rb"[^:]*:[^:]*:(?:[0-9A-Fa-f]{32}){1,2}", entry):
            raise Refused(NO_PASSWORD_FILE, f"{order.path} is an htdigest file: --digest with its realm is missing")
    return text


def password_of(order: Order, stdin: BinaryIO) -> str:
    """Get the password from where it is to come from; a new one that is typed has to be typed twice."""
    if order.password is not None:
        password = order.password
    elif order.from_stdin:
        password = line_of(stdin)
    elif not stdin.isatty():
        raise Refused(SYNTAX, "standard input is not a terminal: use -i to read the password from it")
    elif order.deed == "verify":
        return getpass.getpass("Enter password: ")
    else:
        password = getpass.getpass("New password: ")
        if getpass.getpass("Re-type new password: ") != password:
            raise Refused(MISMATCH, "the two passwords are not the same")
    most = longest(scheme_for(order.hash)) if order.realm is None and order.deed != "verify" else LONGEST
    if len(password.encode(errors="replace")) > most:
        raise Refused(TOO_LONG, f"the password is longer than {most} bytes")
    return password


def line_of(stream: BinaryIO) -> str:
    """Read a password that ends with its line."""
    line = stream.readline(LONGEST + 2)
    if not line:
        raise Refused(SYNTAX, "there is no password on standard input")
    return line.removesuffix(b"\n").removesuffix(b"\r").decode()


def verify_user(order: Order, text: bytes, password: str) -> int:
    """Tell whether the password fits all that the file has of the user."""
    if not knows(text, order.key):
        raise Refused(BAD_NAME, f"user {order.user} not found")
    if order.realm is None:
        right = verify(password, parse_htpasswd(text).hashes.get(order.user, ""))
    else:
        known = digests_of(order.user, order.realm, text)
        right = bool(known) and all(
            hmac.compare_digest(digest_ha1(order.user, order.realm, password, algorithm), known[algorithm])
            for algorithm in known
        )
    if not right:
        raise Refused(MISMATCH, "password verification failed")
    return say(f"Password for user {order.user} correct.")


def digests_of(user: str, realm: str, text: bytes) -> dict[str, str]:
    """Give the user's hash for each algorithm that the file has one for."""
    parsed = parse_htdigest(text, realm)
    return {name: users[user] for name, users in (("md5", parsed.md5), ("sha256", parsed.sha256)) if user in users}


def new_hashes(order: Order, text: bytes, password: str) -> list[str]:
    """Make the hashes of all lines that the user is to have.

    A user of a digest keeps the algorithms of before unless told otherwise: one that kept its old line would keep
    its old password. MD5 comes first, since Apache takes the first line that it finds.
    """
    if order.realm is None:
        return [hash_password(password, scheme_for(order.hash), order.cost)]
    algorithms = order.hash.split("+") if order.hash else digests_of(order.user, order.realm, text) or ["md5"]
    return [digest_ha1(order.user, order.realm, password, algorithm) for algorithm in algorithms]


@contextmanager
def locked(path: str) -> Iterator[int]:
    """Keep other runs from changing files in this folder; the file itself is another one after each change."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(folder)


def replace(path: str, text: bytes, folder: int) -> None:
    """Put a file with this text in the place of the one that is there, whole and with its mode and owner.

    Where there is none, the new one is for its owner only.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=".passwd-", dir=os.path.dirname(path))
    try:
        with open(descriptor, "wb") as stream:
            stream.write(text)
            stream.flush()
            with suppress(FileNotFoundError):
                keep(os.stat(path), descriptor)
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    os.fsync(folder)


def keep(status: os.stat_result, descriptor: int) -> None:
    """Give a file the owner, the group and the mode of another, as far as we may."""
    for user, group in (status.st_uid, -1), (-1, status.st_gid):
        with suppress(PermissionError):
            os.fchown(descriptor, user, group)
    os.fchmod(descriptor, status.st_mode & 0o777)
