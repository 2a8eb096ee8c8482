"""``twistd tracd-cluster``: its command line, and the service that is made of it; the only importer of the reactor.

Note [Two command lines]. ``tracd-cluster ...`` is twistd with the options that make it behave as tracd does, and then
all of its own words again behind the command's name (cli.py). So both command lines are read here, once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from twisted.python import usage

from tracd_cluster.check import check
from tracd_cluster.cluster import Cluster
from tracd_cluster.configuration.config import configure
from tracd_cluster.errors import ConfigError, StartError
from tracd_cluster.operating.activation import with_activated
from tracd_cluster.operating.inheritance import VARIABLE
from tracd_cluster.settings.process import ProcessSettings
from tracd_cluster.settings.whole import Settings

PROG = "twistd tracd-cluster"


class Options(usage.Options):
    """The command line after ``twistd tracd-cluster``, read by argparse as tracd's own is."""

    settings: Settings
    reread: Callable[[], Settings]
    """Reads the configuration file again."""
    parent: usage.Options | None = None
    """twistd's own options."""

    def parseOptions(self, options: Sequence[str] | None = None) -> None:  # noqa: N802
        """Read the options; a wrong one ends the process with status 2 and one clear message.

        ``--check`` and ``--show-config`` end it as well, once they have said what there is to say.
        """
        arguments = list(sys.argv[1:] if options is None else options)
        try:
            configuration, action = configure(arguments, PROG)
            self.settings = with_activated(configuration.settings, configuration.origins)
            self.reread = lambda: with_activated(configuration.reread(), configuration.origins)
            if action is None and self.parent is not None:
                tell_twistd(self.parent, self.settings.process)
        except ConfigError as error:
            print(f"{PROG}: error: {error}", file=sys.stderr)  # noqa: T201
            raise SystemExit(2) from None
        if action == "show_config":
            sys.stdout.write(configuration.show())
            raise SystemExit(0)
        if action == "check":
            from twisted.internet import reactor

            raise SystemExit(check(self.settings, reactor))


def tell_twistd(options: usage.Options, process: ProcessSettings) -> None:
    """Pass on what twistd does for us; raise ConfigError where its own options say the opposite."""
    if (options["profile"] or "").isdigit():
        raise ConfigError(f"-p {options['profile']} before the name tracd-cluster is twistd's profile: put it behind")
    if process.daemonize and options["nodaemon"]:
        raise ConfigError("-d asks for a daemon and twistd's -n for none")
    if process.pidfile and not options["nodaemon"]:
        if not os.path.isdir(os.path.dirname(process.pidfile)):
            raise ConfigError(f"--pidfile {process.pidfile}: there is no folder {os.path.dirname(process.pidfile)}")
        options["pidfile"] = process.pidfile
    if process.logfile:
        options["logfile"] = process.logfile
    if VARIABLE in os.environ:
        # It is the predecessor's still, and twistd would not start beside that.
        options["pidfile"] = ""


def makeService(options: Options) -> Cluster:  # noqa: N802
    """Build the service of one command line."""
    from twisted.internet import reactor

    try:
        return Cluster(options.settings, reactor, getattr(options, "parent", None) or {}, options.reread)
    except StartError as error:
        print(f"{PROG}: error: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(1) from None
