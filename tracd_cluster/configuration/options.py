"""The table of all options, and the parser that is made of it.

The command line, the configuration file, ``--help`` and ``--show-config`` all come from this table. Options that tracd
has keep its names and meanings (trac/web/standalone.py).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from tracd_cluster.configuration import values
from tracd_cluster.configuration.admin_options import ADMIN
from tracd_cluster.configuration.cache_options import STRANGERS
from tracd_cluster.configuration.client_options import CLIENTS
from tracd_cluster.configuration.foreign_options import FOREIGN
from tracd_cluster.configuration.https_options import HTTPS
from tracd_cluster.configuration.kinds_options import POLICIES
from tracd_cluster.configuration.log_options import LOGS
from tracd_cluster.configuration.option import Option, flag, seconds
from tracd_cluster.configuration.static_options import STATIC
from tracd_cluster.configuration.traffic_options import TRAFFIC
from tracd_cluster.configuration.worker_options import WORKERS
from tracd_cluster.settings.front import FrontSettings
from tracd_cluster.settings.pool import PoolSettings

FRONT, POOL = FrontSettings(), PoolSettings()

DESCRIPTION = (
    "Serves Trac environments over HTTP with a pool of warm worker processes. All options of tracd are here, with "
    "the meanings they have there."
)
EPILOG = """\
tracd-cluster passwd   makes and changes password files: tracd-cluster passwd --help
tracd-cluster ctl      shows and steers a running service: tracd-cluster ctl --help
twistd tracd-cluster   is the same, run by twistd itself: a daemon unless twistd -n is given. All options above stand
                       behind the name. Before it, twistd reads its own: there -b is its debugger, -d a folder to run
                       in, -e an encrypted file, -l a log file, -n the foreground, -p a profile, -r a reactor, -s a
                       source file; --pidfile and --umask mean the same on either side.
"""


ENVS = Option(
    names=("envs",), group="environments", read=values.environment, metavar="ENV", repeatable=True, is_path=True,
    default=(), help="path of a Trac environment", tracds=True,
)  # fmt: skip

OPTIONS: tuple[Option, ...] = (
    Option(
        names=("-e", "--env-parent-dir"), group="environments", read=values.environment, metavar="DIR", is_path=True,
        help="serve every environment in this folder", tracds=True,
    ),
    flag("-s", "--single-env", group="environments", text="serve the one ENV at /, without an index", tracds=True),
    Option(
        names=("--base-path",), group="environments", read=values.base_path, metavar="PATH", default="",
        help="URL prefix of all pages", shown="none", tracds=True,
    ),
    Option(
        names=("-p", "--port"), group="listening", read=values.port, metavar="N", help="port", tracds=True,
        shown="80, for https 443",
    ),
    Option(
        names=("-b", "--hostname"), group="listening", metavar="HOST", repeatable=True, default=(), tracds=True,
        help="address to listen on: IPv4, IPv6, a name, unix:/path; repeatable", shown="all IPv4",
    ),
    Option(
        names=("--listen",), group="listening", metavar="ENDPOINT", repeatable=True, default=(),
        help="Twisted endpoint, as in tcp:8080:interface=10.0.0.1; repeatable",
    ),
    Option(
        names=("--protocol",), group="listening", read=values.protocol, metavar="NAME", default="http",
        help="http or https", shown="http", tracds=True,
    ),
    *HTTPS,
    Option(
        names=("--allowed-host",), group="listening", read=values.host, metavar="NAME", repeatable=True, default=(),
        help="host to serve, or *.example.org; others get 421; repeatable", shown="those of [trac] base_url",
    ),
    Option(
        names=("--canonical-host",), group="listening", read=values.canonical_host, metavar="NAME",
        help="send clients here who name a host that is not served",
    ),
    flag("--proxy-protocol", group="listening", text="connections begin with a trusted proxy's PROXY line"),
    flag("--keep-cookies", group="listening", text="add neither Secure nor SameSite=Lax to Trac's cookies"),
    flag("--http10", group="listening", text="close each connection after one answer", tracds=True),
    flag("--http11", group="listening", text="keep connections open between requests (default)", tracds=True),
    flag("-q", "--unquote", group="listening", text="nothing here: tracd has it for other protocols", tracds=True),
    Option(
        names=("-a", "--auth"), group="signing in", read=values.auth_entry("digest"), metavar="P,FILE,REALM",
        dest="auths", repeatable=True, is_path=True, default=(), tracds=True, write=str,
        help="project P (* for all) asks for Digest, users in an htdigest file; repeatable",
    ),
    Option(
        names=("--basic-auth",), group="signing in", read=values.auth_entry("basic"), metavar="P,FILE,REALM",
        dest="auths", repeatable=True, is_path=True, default=(), tracds=True, write=str,
        help="project P (* for all) asks for Basic, users in an htpasswd file; repeatable",
    ),
    Option(
        names=("--require-login",), group="signing in", metavar="[=P]", repeatable=True, default=(),
        help="nobody sees anything of project P (without =P: of all) before signing in; repeatable",
    ),
    Option(
        names=("--trusted-proxy",), group="signing in", read=values.network, metavar="NET", repeatable=True,
        default=(), help="address or network (or unix) whose X-Forwarded-* and Forwarded count; repeatable",
        write=lambda net: "unix" if net is None else str(net),
    ),
    Option(
        names=("--remote-user-header",), group="signing in", read=values.field_name, metavar="NAME",
        help="the field in which a trusted proxy names the user, as in Remote-User",
    ),
    Option(
        names=("--secret-file",), group="signing in", read=values.path, metavar="FILE", is_path=True,
        help="signs nonces and visitors; share it among several hosts", shown="a new secret at each start",
    ),
    *WORKERS,
    Option(
        names=("--threads",), group="workers", read=values.threads, metavar="N", default=POOL.threads,
        help="requests one worker handles at a time; Trac is safest with one", shown="1",
    ),
    flag("-r", "--auto-reload", group="workers", text="new workers when Trac or a plugin is modified", tracds=True),
    Option(
        names=("--reload-poll",), group="workers", read=values.seconds, metavar="SECONDS",
        help="look for modified files so often", shown="when the system says so",
    ),
    seconds("--drain-timeout", POOL.drain_timeout, "longest time running requests get to end at a stop", "workers"),
    flag("--no-preload", group="workers", text="warm each worker by itself instead of before forking"),
    flag("--no-freeze", group="workers", text="leave Trac's warm objects to every garbage collection"),
    flag("--no-locale-memory", group="workers", text="let Trac read its translations for every request"),
    *FOREIGN,
    *STRANGERS,
    *TRAFFIC,
    *POLICIES,
    *STATIC,
    Option(names=("--application",), group="workers", read=values.application, help="", hidden=True),
    Option(
        names=("--queue",), group="limits", read=values.places, metavar="N", default=FRONT.queue,
        help="requests that may wait for a worker; more get 503", shown=f"{FRONT.queue}",
    ),
    seconds("--queue-timeout", FRONT.queue_timeout, "longest wait for a worker; then 503"),
    *CLIENTS,
    Option(
        names=("--max-body",), group="limits", read=values.size, metavar="SIZE", default=FRONT.max_body,
        help="largest request body", shown="1G",
    ),
    Option(
        names=("--spool-limit",), group="limits", read=values.size, metavar="SIZE", default=FRONT.spool_limit,
        help="disk for all request bodies of more than 48K together; more get 503", shown="4G",
    ),
    seconds("--head-timeout", FRONT.head_timeout, "longest time for the head of a request to arrive"),
    seconds("--body-timeout", FRONT.body_timeout, "longest pause in a body, either way"),
    Option(
        names=("--min-body-rate",), group="limits", read=values.size, metavar="SIZE",
        default=FRONT.min_body_rate, shown=f"{FRONT.min_body_rate}",
        help="bytes of a body a second at least, either way, after --body-timeout; 0 for any",
    ),
    seconds("--idle-timeout", FRONT.idle_timeout, "longest pause between two requests of a connection"),
    *ADMIN,
    flag("-d", "--daemonize", group="process", text="run in the background, messages to syslog", tracds=True),
    Option(
        names=("--pidfile",), group="process", read=values.path, metavar="FILE", is_path=True, tracds=True,
        help="holds the process id of the daemon",
    ),
    Option(
        names=("--umask",), group="process", read=values.umask, metavar="MASK", default=POOL.umask, shown="022",
        help="file mode creation mask, octal", tracds=True, write=lambda mask: f"{mask:03o}",
    ),
    Option(names=("--user",), group="process", read=values.user, metavar="USER", tracds=True,
           help="run as this user once the ports are open"),
    Option(names=("--group",), group="process", read=values.group, metavar="GROUP", tracds=True,
           help="run as this group", shown="the user's own"),
    Option(
        names=("--control",), group="process", read=values.control, metavar="PATH", is_path=True, default="auto",
        help="socket for tracd-cluster ctl, or off", shown="in /run or $XDG_RUNTIME_DIR",
    ),
    Option(
        names=("--drain-delay",), group="process", read=values.delay, metavar="SECONDS", default=0.0, shown="0",
        help="when asked to stop, say so to load balancers first, and serve on for so long",
    ),
    *LOGS,
    Option(
        names=("--config",), group="what to do", read=values.existing_file, metavar="FILE", is_path=True,
        help="take options from this file too (TOML); the command line wins",
    ),
    flag("--check", group="what to do", text="see whether all of this would work, say what does not, and end"),
    flag("--show-config", group="what to do", text="print what is in force, as a configuration file, and end"),
)  # fmt: skip

EXCLUSIVE: tuple[tuple[str, str], ...] = (
    ("env_parent_dir", "single_env"), ("http10", "http11"), ("auto_reload", "daemonize"),
)  # fmt: skip
"""Keys of options that go not together, as with tracd."""

NOT_IN_FILE = ("config", "check", "show_config", "application")


class _Formatter(argparse.HelpFormatter):
    """One line for each option, its value named once."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34, width=132)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return super()._format_action_invocation(action)
        value = "" if action.nargs == 0 else f" {action.metavar}"
        return ", ".join(action.option_strings) + value

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)


def make_parser(prog: str, version: str) -> argparse.ArgumentParser:
    """Make the parser; what was not given is not in its namespace, so that it can be told from a default."""
    parser = argparse.ArgumentParser(
        prog=prog,
        usage=f"{prog} [options] ENV...",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=_Formatter,
        argument_default=argparse.SUPPRESS,
        add_help=False,
    )
    groups: dict[str, argparse._ArgumentGroup] = {}
    for option in (ENVS, *OPTIONS):
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        _add(groups[option.group], option)
    group = groups["what to do"]
    group.add_argument("--version", action="version", version=version, help="print the version and end")
    group.add_argument("-h", "--help", action="help", help="print this and end")
    return parser


def _add(group: argparse._ArgumentGroup, option: Option) -> None:
    if option is ENVS:
        group.add_argument("envs", nargs="*", type=values.environment, metavar=option.metavar, help=option.help)
        return
    text = f"{option.help} (default: {option.shown})" if option.shown else option.help
    text = argparse.SUPPRESS if option.hidden else text.replace("%", "%%")
    if option.read is None:
        group.add_argument(*option.names, action="store_true", help=text)
    else:
        action = "append" if option.repeatable else "store"
        group.add_argument(
            *option.names, action=action, type=option.read, metavar=option.metavar, dest=option.key, help=text
        )


def expand(arguments: Sequence[str]) -> Iterator[str]:
    """Give the words of a command line with tracd's abbreviations spelled out, and ``--require-login`` with its value.

    An abbreviation that was clear to tracd stays clear, whatever options have joined tracd's. ``--require-login``
    takes its value behind ``=`` only: the word that follows it may be an environment.
    """
    all_names = {name for option in OPTIONS for name in option.names} | {"--version", "--help"}
    tracds = {name for option in OPTIONS if option.tracds for name in option.names} | {"--version", "--help"}
    words = iter(arguments)
    for word in words:
        if word == "--":
            yield word
            break
        name, equals, value = word.partition("=")
        if name.startswith("--") and name not in all_names:
            meant = [full for full in tracds if full.startswith(name)]
            if len(meant) == 1:
                name = meant[0]
        if name == "--require-login" and not equals:
            equals, value = "=", "*"
        yield name + equals + value
    yield from words
