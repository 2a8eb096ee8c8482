"""How addresses become values: of servers elsewhere and name servers, of the admin listener; and commands."""

from __future__ import annotations

import ipaddress
import re
import shlex
from argparse import ArgumentTypeError
from typing import Any
from urllib.parse import urlsplit

from tracd_cluster.configuration.values import base_path, path, port
from tracd_cluster.settings.admin import AdminAddress
from tracd_cluster.settings.foreign import Upstream

_PATH = re.compile(r"/[!-~]*\Z")
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?\Z")
_SCHEMES = {"http": ("http", False), "https": ("https", False), "srv": ("http", True), "http+srv": ("http", True),
            "https+srv": ("https", True)}  # fmt: skip
_PORTS = {"http": 80, "https": 443}
_MODE = re.compile(r"0?[0-7]{3}\Z")


def command(text: str) -> tuple[str, ...]:
    """Read a command as a shell splits it; nothing else of a shell is in it."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} cannot be split into words: {error}") from None
    if not any("{port}" in word for word in words[1:]):
        raise ArgumentTypeError(f"{text!r} does not say where its port goes, as in: tracd -s -p {{port}} ENV")
    return words


def upstream(text: str) -> Upstream:
    """Read ``http[s]://host[:port][/base][;weight=N][;trusted][;own-host]``; or the same with ``http[s]+srv://name``."""
    url, *words = text.split(";")
    try:
        parts = urlsplit(url)
        number = parts.port
    except ValueError as error:
        raise _no_upstream(text, str(error)) from None
    if parts.scheme not in _SCHEMES:
        raise _no_upstream(text, "it begins with neither http://, https://, http+srv:// nor https+srv://")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise _no_upstream(text, "it may have a host, a port and a path")
    scheme, srv = _SCHEMES[parts.scheme]
    host = parts.hostname or ""
    if not (_NAME.match(host) or (":" in host and not srv)):
        raise _no_upstream(text, "it names no host")
    if srv and number is not None:
        raise _no_upstream(text, "the port is in the SRV records")
    said = _words(text, words)
    return Upstream(
        scheme="https" if scheme == "https" else "http",
        host=host.rstrip("."),
        port=number or _PORTS[scheme],
        srv=srv,
        base_path=base_path(parts.path) if parts.path else None,
        text=text,
        **said,
    )


def _words(text: str, words: list[str]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.strip().partition("=")
        if name in ("trusted", "own-host") and not equals:
            said[name.replace("-", "_")] = True
        elif name == "weight" and re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", value) and float(value) > 0:
            said["weight"] = float(value)
        else:
            raise _no_upstream(text, f"{word!r} is neither weight=N, trusted nor own-host")
    return said


def _no_upstream(text: str, why: str) -> ArgumentTypeError:
    return ArgumentTypeError(f"{text!r} is not the address of a server such as http://10.0.0.5:8000;weight=2: {why}")


def url_path(text: str) -> str:
    """Read the path of a URL, with a query if wanted."""
    if _PATH.match(text) is None:
        raise ArgumentTypeError(f"{text!r} is not the path of a URL such as /wiki")
    return text


def resolver(text: str) -> tuple[str, int]:
    """Read the address of a name server, with its port if that is not 53."""
    host, _, number = text.rpartition(":") if text.count(":") == 1 or text.startswith("[") else (text, "", "")
    host = (host or text).strip("[]")
    if re.fullmatch(r"[0-9.]+|[0-9A-Fa-f:.]+", host) is None:
        raise ArgumentTypeError(f"{text!r} is not the address of a name server such as 127.0.0.1:53")
    return host, port(number) if number else 53


def admin(text: str, folder: str = "") -> AdminAddress:
    """Read ``unix:/path[;mode=660]``, ``host:port[;open]``, or a port, which is one of 127.0.0.1."""
    if text.startswith("unix:"):
        return _admin_socket(text, folder)
    where = text.removesuffix(";open")
    host, colon, number = where.rpartition(":")
    bare = host.strip("[]").lower() if colon else "127.0.0.1"
    address = _address(bare)
    if address is None and not _NAME.match(bare):
        raise _no_admin(text)
    try:
        port(number)
    except ArgumentTypeError as error:
        raise _no_admin(text) from error
    near = address.is_loopback if address is not None else bare == "localhost"
    kind = "tcp6" if ":" in bare else "tcp"
    return AdminAddress(
        reach="loopback" if near else "network",
        endpoint=f"{kind}:port={number}:interface={escape(bare)}",
        host=bare,
        open=where != text,
        text=text,
    )


def _admin_socket(text: str, folder: str) -> AdminAddress:
    where, *words = text[len("unix:") :].split(";")
    mode = words[0].removeprefix("mode=") if words else "600"
    if not where or len(words) > 1 or (words and not words[0].startswith("mode=")) or not _MODE.match(mode):
        raise _no_admin(text)
    if int(mode, 8) & 0o007:
        raise ArgumentTypeError(f"{text!r}: mode {mode} would let everybody on this host in; 600 and 660 do not")
    where = path(where, folder)
    endpoint = f"unix:address={escape(where)}:mode={mode}:lockfile=1"
    written = f"unix:{where};mode={mode}" if words else f"unix:{where}"
    return AdminAddress(reach="socket", endpoint=endpoint, path=where, text=written)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _no_admin(text: str) -> ArgumentTypeError:
    return ArgumentTypeError(f"{text!r} is none of unix:/path, unix:/path;mode=660, port, host:port, host:port;open")


def escape(text: str) -> str:
    """Write a part of one of Twisted's endpoint descriptions."""
    return text.replace("\\", "\\\\").replace(":", "\\:").replace("=", "\\=")
