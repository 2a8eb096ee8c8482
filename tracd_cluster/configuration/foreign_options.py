"""The options of other workers: commands that are run in place of our own, and servers elsewhere."""

from __future__ import annotations

import shlex

from tracd_cluster.configuration import addresses, values
from tracd_cluster.configuration.option import Option
from tracd_cluster.settings.foreign import ForeignSettings

FOREIGN: tuple[Option, ...] = (
    Option(
        names=("--worker-command",), group="other workers", read=addresses.command, metavar="COMMAND",
        help="run this for each worker, any HTTP server: tracd -s -b {host} -p {port} ENV", write=shlex.join,
    ),
    Option(
        names=("--command-base-path",), group="other workers", read=values.base_path, metavar="PATH",
        help="base path that the command serves", shown="that of --base-path",
    ),
    Option(
        names=("--upstream",), group="other workers", read=addresses.upstream, metavar="URL", repeatable=True,
        default=(), write=str, help="server elsewhere: 'http[s]://host:port[/base][;weight=N][;trusted]'; repeatable",
    ),
    Option(
        names=("--upstream-connections",), group="other workers", read=values.threads, metavar="N",
        help="requests under way at one server", shown=f"{ForeignSettings().connections}",
    ),
    Option(
        names=("--upstream-ca",), group="other workers", read=values.existing_file, metavar="FILE", is_path=True,
        help="certificates, PEM, of those who vouch for https servers", shown="the system's",
    ),
    Option(
        names=("--upstream-resolver",), group="other workers", read=addresses.resolver, metavar="ADDRESS",
        help="name server to ask, as in 127.0.0.1:53", shown="the system's",
        write=lambda value: f"[{value[0]}]:{value[1]}",
    ),
    Option(
        names=("--health-path",), group="other workers", read=addresses.url_path, metavar="PATH",
        help="what is asked for to see whether a server is well", shown="its base path and /",
    ),
)  # fmt: skip
