"""What ``make demo`` runs: a sample environment, served in the foreground until Ctrl-C.

PORT, HTTPS_PORT and HOST in the environment say where (8000, 8443 and 127.0.0.1 if they do not).
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import monotonic
from types import FrameType

from sample import environment, repository

FOLDER = Path(".demo")
START_TIMEOUT = 60.0


class DemoError(Exception):
    """Why there is nothing to show; the message says what to do about it."""


def prepare() -> Path:
    """Make the environment, if there is none."""
    path = (FOLDER / "tidewatch").resolve()
    if not (path / "VERSION").is_file():
        print("Making a sample environment ...", flush=True)
        if not repository.available():
            print("git is not installed: the sample has no repository to browse.")
        environment.create(path, environment.Recipe(open=True))
    return path


@dataclass(frozen=True)
class Where:
    """Where it is served."""

    host: str
    port: int
    https_port: int


def address() -> Where:
    """Take host and ports from the environment, and make sure they are free; without HTTPS_PORT any one will do."""
    host, port = os.environ.get("HOST") or "127.0.0.1", number("PORT") or 8000
    bound(host, port, "PORT")
    if https_port := number("HTTPS_PORT"):
        bound(host, https_port, "HTTPS_PORT")
        return Where(host, port, https_port)
    try:
        return Where(host, port, bound(host, port + 443 if port + 443 < 65536 else 0, "HTTPS_PORT"))
    except DemoError:
        return Where(host, port, bound(host, 0, "HTTPS_PORT"))


def number(name: str) -> int:
    """Read a port from the environment; 0 if it has none."""
    given = os.environ.get(name) or ""
    if given and (not given.isdecimal() or not 0 < int(given) < 65536):
        raise DemoError(f"{name}={given}: expected a number from 1 to 65535, as in: make demo {name}=8001")
    return int(given or 0)


def bound(host: str, port: int, name: str) -> int:
    """Give the port if it is free, or any free one for 0."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise DemoError(
                f"Cannot listen on {host} port {port}: {error.strerror}. Choose another: make demo {name}={port + 1}"
            ) from error
        return int(probe.getsockname()[1])


def command(path: Path, where: Where, log: Path) -> list[str]:
    """Give the command line that serves the environment."""
    return [
        str(Path(sys.executable).with_name("tracd-cluster")),
        *("--workers", "2", "-b", where.host, "-p", str(where.port), "--logfile", str(log)),
        *("--https-port", str(where.https_port), "--demo-cert", str(FOLDER / "certificate")),
        *("--basic-auth", f"*,{path / 'users.htpasswd'},Tidewatch", "-s", str(path)),
    ]


def serving(host: str, port: int) -> bool:
    """Ask for the first page."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_until_serving(server: subprocess.Popen[bytes], host: str, port: int) -> bool:
    """Wait for the first page; False if the server ended or did not come up in time."""
    deadline, pause = monotonic() + START_TIMEOUT, Event()
    while server.poll() is None and monotonic() < deadline:
        if serving(host, port):
            return True
        pause.wait(0.05)
    return False


def announce(where: Where, log: Path) -> None:
    """Tell what there is to see."""
    host = where.host
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0") else host  # noqa: S104 - a comparison
    print(
        f"""
  Tidewatch, a sample project, is served at   http://{shown}:{where.port}/
                           and, encrypted, at   https://{shown}:{where.https_port}/
  Account     admin, password {environment.PASSWORD}
  The certificate is made here and signed by nobody: browsers warn of it once.
  No account is needed to open tickets and edit wiki pages in this demo.
  Log         {log}

  Ctrl-C ends it.
""",
        flush=True,
    )


def serve(path: Path, where: Where) -> int:
    """Run the server until it ends; being interrupted is a good end."""
    log = FOLDER / "tracd-cluster.log"
    log.unlink(missing_ok=True)
    server = subprocess.Popen(command(path, where, log))

    def pass_on(number: int, frame: FrameType | None) -> None:
        # The terminal sends Ctrl-C to the server itself; anything else comes to us alone.
        if number != signal.SIGINT and server.poll() is None:
            server.send_signal(signal.SIGTERM)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
    if wait_until_serving(server, where.host, where.port):
        announce(where, log)
    elif server.poll() is None:
        server.terminate()
    return ended(server.wait(), log)


def ended(status: int, log: Path) -> int:
    """Say how it ended, and give the status of the demo."""
    if status in (0, -signal.SIGINT, -signal.SIGTERM):
        print("\nStopped.")
        return 0
    if log.exists():
        print("".join(log.read_text(errors="replace").splitlines(keepends=True)[-20:]), file=sys.stderr)
    print(f"The server ended with status {status}; its log is {log}", file=sys.stderr)
    return 1


def main() -> int:
    """Make and serve the demo."""
    try:
        where = address()
        FOLDER.mkdir(exist_ok=True)
        return serve(prepare(), where)
    except DemoError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped before there was anything to see.")
        return 0


if __name__ == "__main__":
    sys.exit(main())
