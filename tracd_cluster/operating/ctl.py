"""``tracd-cluster ctl``: the operator's side of the control socket.

It ends with 0 when the command is done, 1 when it failed or was refused, 2 for wrong usage, 3 when no service answers.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from time import monotonic

from tracd_cluster.configuration.config import load
from tracd_cluster.errors import ConfigError
from tracd_cluster.operating import places
from tracd_cluster.operating.protocol import (
    ANSWER_LIMIT,
    COMMANDS,
    MOST,
    BadRequest,
    End,
    Request,
    decode_answer,
    encode_request,
)
from tracd_cluster.operating.status import printable, render

PROG = "tracd-cluster ctl"
DONE, FAILED, USAGE, NOBODY = 0, 1, 2, 3

SILENCE = 30.0
"""Seconds without a word after which a service hangs: it says something every two."""

HELP = """\
  status        what every worker does now
  reload        take changed settings, passwords and certificates, and new code
  restart       new workers, ready before the old ones go
  scale N       have N workers
  drain WORKER  end one worker after its request; another one takes its place
  stop          end the service after what runs
  upgrade       a new front on the same ports, in the place of this one
"""


class Unreachable(Exception):
    """No service answers; the text says where it was looked for."""


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says, and give the exit status."""
    options = make_parser().parse_args(arguments)
    try:
        return _carry_out(options)
    except BrokenPipeError:
        # Whoever reads has read enough. Python would try again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _carry_out(options: argparse.Namespace) -> int:
    number = 0
    if name := COMMANDS[options.command]:
        text = options.number or ""
        if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MOST:
            return _complain(f"{options.command} needs the number of a {name}, from 1 to {MOST}", USAGE)
        number = int(text)
    elif options.number is not None:
        return _complain(f"{options.command} takes no {options.number}", USAGE)
    request = Request(options.command, number, not options.no_wait)
    try:
        path = find(options.socket, options.pidfile, options.config)
        end = ask(path, request, _quiet if options.json else _progress)
    except ConfigError as error:
        return _complain(str(error), USAGE)
    except Unreachable as error:
        return _complain(str(error), NOBODY)
    if options.json:
        print(json.dumps({"status": end.status, "say": end.say, **({"report": end.report} if end.report else {})}))  # noqa: T201
    elif end.report is not None:
        print(render(end.report))  # noqa: T201
    elif end.say:
        print(printable(end.say), file=sys.stdout if end.status == DONE else sys.stderr)
    sys.stdout.flush()
    return end.status


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog=PROG,
        description="Speaks to a running service: the only one of this host that is yours, or the one that is named.",
        epilog=HELP + "\nstatus 0: done, 1: failed or refused, 2: wrong usage, 3: no service answers",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--socket", "--control", metavar="PATH", help="the control socket of the service")
    which.add_argument("--pidfile", metavar="FILE", help="the pidfile of the service")
    which.add_argument("--config", metavar="FILE", help="the configuration file of the service")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    parser.add_argument("--no-wait", action="store_true", help="return once the command has been taken")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    parser.add_argument("number", nargs="?", metavar="N", help="for scale and drain")
    return parser


# -- which service


def find(path: str | None, pidfile: str | None, config: str | None) -> str:
    """Give the control socket that is meant; raise Unreachable if there is none, or more than one."""
    if path is not None:
        return path
    if config is not None:
        process = load(["--config", config], PROG)
        if process.process.control not in ("auto", "off"):
            return process.process.control
        name = places.name_of(process.front.endpoints[0], 0)
        return _only([found for found in _found() if os.path.basename(os.path.dirname(found)) == name])
    if pidfile is not None:
        try:
            with open(pidfile, encoding="ascii") as file:
                pid = int(file.read())
        except (OSError, ValueError) as error:
            raise Unreachable(f"{pidfile} does not say which process: {error}") from None
        return _only([found for found in _found() if _pid_at(found) == pid])
    return _only([found for found in _found() if _pid_at(found)])


def _found() -> list[str]:
    return places.sockets_in(places.bases_to_search(os.environ, os.geteuid()))


def _only(found: list[str]) -> str:
    if not found:
        where = ", ".join(places.bases_to_search(os.environ, os.geteuid()))
        raise Unreachable(f"there is no such service; looked for its control socket in {where}")
    if len(found) > 1:
        raise Unreachable("more than one service runs: choose with --socket " + " or --socket ".join(found))
    return found[0]


def _pid_at(path: str) -> int:
    """Give the process that answers at a socket; 0 if none does."""
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(SILENCE)
            sock.connect(path)
            # The kernel says 0 where the service is in a container and we are not in the same one.
            if pid := _peer(sock):
                return pid
        report = ask(path, Request("status"), _quiet).report
        return int(report["pid"]) if report else 0
    except (OSError, Unreachable):
        return 0


def _peer(sock: socket.socket) -> int | None:
    """Give the process that began to listen at the other end; None where the platform does not tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    return int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], sys.byteorder)


# -- the conversation


def ask(path: str, request: Request, tell: Callable[[str], None]) -> End:
    """Have a command carried out, telling how far it is; raise Unreachable if nobody answers, or nobody any more."""
    end, said, pid = None, "", None
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(SILENCE)
            sock.connect(path)
            pid = _peer(sock)
            sock.sendall(encode_request(request))
            for line in _lines(sock):
                answer = decode_answer(line)
                if isinstance(answer, End):
                    end = answer
                    break
                if answer != said:
                    said = answer
                    tell(answer)
                if request.command == "stop" and not request.wait:
                    return End(DONE, "the service is stopping")
    except TimeoutError:
        raise Unreachable(f"the service at {path} does not answer") from None
    except (OSError, BadRequest) as error:
        if not (request.command == "stop" and said):
            raise Unreachable(f"no service answers at {path}: {error}") from None
    if end is None and request.command == "stop" and said:
        _wait_for_end(pid)
        return End(DONE, "the service has ended")
    if end is None:
        raise Unreachable(f"the service at {path} ended before it had answered")
    return end


def _wait_for_end(pid: int | None) -> None:
    """Wait for the last moments of a process, which has closed everything already."""
    if pid is not None and hasattr(os, "pidfd_open"):
        with suppress(OSError):
            descriptor = os.pidfd_open(pid)
            select.select([descriptor], [], [], SILENCE)
            os.close(descriptor)


def _lines(sock: socket.socket) -> Iterator[bytes]:
    rest = b""
    while data := sock.recv(65536):
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
        if len(rest) > ANSWER_LIMIT:
            raise BadRequest("its answer has no end")


_begun = monotonic()


def _progress(text: str) -> None:
    print(f"{monotonic() - _begun:5.1f} s  {printable(text)}", file=sys.stderr)  # noqa: T201


def _quiet(text: str) -> None:
    """Say nothing: a script reads one object."""


def _complain(text: str, status: int) -> int:
    print(f"{PROG}: error: {printable(text)}", file=sys.stderr)  # noqa: T201
    return status
