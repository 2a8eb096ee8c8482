"""What ``make demo`` runs: a sample environment, served in the foreground until Ctrl-C.

PORT and HOST in the environment say where (8000 and 127.0.0.1 if they do not).
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
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


def address() -> tuple[str, int]:
    """Take host and port from the environment, and make sure they are free."""
    host, given = os.environ.get("HOST") or "127.0.0.1", os.environ.get("PORT") or "8000"
    if not given.isdecimal() or not 0 < int(given) < 65536:
        raise DemoError(f"PORT={given}: expected a number from 1 to 65535, as in: make demo PORT=8001")
    port = int(given)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise DemoError(
                f"Cannot listen on {host} port {port}: {error.strerror}. Choose another: make demo PORT={port + 1}"
            ) from error
    return host, port


def command(path: Path, host: str, port: int, log: Path) -> list[str]:
    """Give the command line that serves the environment."""
    return [
        str(Path(sys.executable).with_name("tracd-cluster")),
        *("--workers", "2", "-b", host, "-p", str(port), "--logfile", str(log)),
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


def announce(host: str, port: int, log: Path) -> None:
    """Tell what there is to see."""
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0") else host  # noqa: S104 - a comparison
    print(
        f"""
  Tidewatch, a sample project, is served at   http://{shown}:{port}/
  Account     admin, password {environment.PASSWORD}
  No account is needed to open tickets and edit wiki pages in this demo.
  Log         {log}

  Ctrl-C ends it.
""",
        flush=True,
    )


def serve(path: Path, host: str, port: int) -> int:
    """Run the server until it ends; being interrupted is a good end."""
    log = FOLDER / "tracd-cluster.log"
    log.unlink(missing_ok=True)
    server = subprocess.Popen(command(path, host, port, log))

    def pass_on(number: int, frame: FrameType | None) -> None:
        # The terminal sends Ctrl-C to the server itself; anything else comes to us alone.
        if number != signal.SIGINT and server.poll() is None:
            server.send_signal(signal.SIGTERM)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
    if wait_until_serving(server, host, port):
        announce(host, port, log)
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
        host, port = address()
        FOLDER.mkdir(exist_ok=True)
        return serve(prepare(), host, port)
    except DemoError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped before there was anything to see.")
        return 0


if __name__ == "__main__":
    sys.exit(main())
