"""The command ``tracd-cluster``: tracd's own command line in the foreground, run by twistd underneath.

As with tracd, the two lines that say where it serves are alone on standard output; messages go to standard error.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

from twisted.application.app import _exitWithSignal
from twisted.logger import LogEvent
from twisted.scripts._twistd_unix import ServerOptions, UnixApplicationRunner

from tracd_cluster import passwd
from tracd_cluster.configuration.config import load
from tracd_cluster.errors import ConfigError
from tracd_cluster.operating import ctl
from tracd_cluster.operating.log_lines import StandardError
from tracd_cluster.settings.process import ProcessSettings

PROG = "tracd-cluster"
LOGGER = "tracd_cluster.cli.standard_error"


def standard_error() -> Callable[[LogEvent], None]:
    """Make the observer that writes messages to standard error, whatever is done to ``sys.stderr``."""
    assert sys.__stderr__ is not None
    return StandardError.observer(sys.__stderr__)


def twistd_options(process: ProcessSettings) -> list[str]:
    """Give the options that make twistd behave as tracd does."""
    if process.logfile:
        log = [f"--logfile={process.logfile}"]
    elif process.daemonize:
        log = ["--syslog", f"--prefix={PROG}"]
    else:
        log = [f"--logger={LOGGER}"]
    # The name of the pidfile follows with our own options; without one there is to be none.
    where = ["--rundir=/", "--umask=022"] if process.daemonize else ["--nodaemon"]
    return [*where, "--pidfile=", *log]


def main() -> int:
    """Do what the command line says, and give the exit status."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["passwd"]:
        return passwd.main(arguments[1:])
    if arguments[:1] == ["ctl"]:
        return ctl.main(arguments[1:])
    try:
        process = load(arguments, PROG).process
        return serve([*twistd_options(process), PROG, *arguments])
    except ConfigError as error:
        print(f"{PROG}: error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        return 0


def serve(arguments: list[str]) -> int:
    """Run twistd in this process until it ends."""
    options = ServerOptions()  # type: ignore[no-untyped-call]
    options.parseOptions(arguments)  # type: ignore[no-untyped-call]
    runner = UnixApplicationRunner(options)  # type: ignore[no-untyped-call]
    runner.run()  # type: ignore[no-untyped-call]
    ended_by: int | None = runner._exitSignal
    # tracd ends well at Ctrl-C, and by the signal at any other.
    if ended_by is not None and ended_by != signal.SIGINT:
        _exitWithSignal(ended_by)  # type: ignore[no-untyped-call]
    return 0


if __name__ == "__main__":
    sys.exit(main())
