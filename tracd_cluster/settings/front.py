"""What the front listens on, what it shows, and the limits it holds clients to."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """What the encrypted ports show to clients, and what they ask of them. All paths are absolute."""

    certificate: str | None = None
    """PEM file with the default certificate and what leads to its root."""
    key: str | None = None
    """PEM file with its key; None if that is in the same file."""
    folder: str | None = None
    """Certificates with their keys, in files side by side or in folders (front/certificates.py, scan)."""
    demo: str | None = None
    """A folder for a self-signed default certificate, made if need be."""
    passphrase_file: str | None = None
    """What opens encrypted keys, in its first line."""
    client_ca: str | None = None
    """PEM file of who may sign clients' certificates; None asks for none."""
    client_cert: Literal["require", "optional"] = "require"
    client_cert_user: Literal["cn", "email", "dns"] | None = None
    """What of a client's certificate is the user's name; None leaves that to passwords."""
    hsts: int = 0
    """For how long browsers are to come by HTTPS only; 0 says nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontSettings:
    """What the front listens on and the limits it holds clients to."""

    endpoints: tuple[str, ...] = ("tcp:80",)
    """Twisted endpoint descriptions, one per listening port."""
    secure_endpoints: tuple[str, ...] = ()
    """The same for the ports that speak TLS."""
    tls: TlsSettings | None = None
    """There are secure endpoints if and only if there is this."""
    redirect_port: int = 0
    """Where plain requests are sent, by 308; 0 answers them."""
    keep_alive: bool = True
    """Let clients send more than one request on a connection."""
    trusted_proxies: tuple[Network | None, ...] = ()
    """Where a client may say who somebody else is; None stands for Unix sockets."""
    remote_user: bytes | None = None
    """The header field, in lower case, in which a trusted proxy names the user."""
    proxy_protocol: bool = False
    """Trusted proxies begin each connection with a PROXY line, and nobody else is let in."""
    hosts: tuple[str, ...] = ()
    """Names that are served, ``*.example.org`` for all below one; none for any."""
    canonical_host: str | None = None
    """Where clients are sent that name another host; with a port if it has one."""
    harden_cookies: bool = True
    """Add Secure and SameSite to the workers' cookies (rewrite/cookies.py)."""
    base_path: str = ""
    error_page: str | None = None
    """HTML for the front's own pages, with places to fill in (front/pages.py); None for our own."""
    request_line_limit: int = 8 * 1024
    """As nginx's ``large_client_header_buffers``."""
    head_limit: int = 32 * 1024
    """As nginx's four buffers of 8 KiB."""
    header_limit: int = 100
    """Header fields of one request, as Apache's ``LimitRequestFields``."""
    max_body: int = 1 << 30
    body_memory: int = 48 * 1024
    """A larger body goes to a temporary file; with all else, a client takes 64 KiB at the most."""
    spool_limit: int = 4 << 30
    """Bytes of all bodies in files together."""
    answer_memory: int = 1 << 20
    """What is kept of an answer for a slow client before its worker is made to wait."""
    head_timeout: float = 20.0
    """From the first byte of a request to the end of its head."""
    body_timeout: float = 30.0
    """Longest pause between two pieces of a body, either way."""
    min_body_rate: int = 500
    """Bytes a second of a body at least, either way, after ``body_timeout``; as Apache's ``MinRate``. 0 for any."""
    idle_timeout: float = 75.0
    """Longest pause between two requests of a connection, as nginx's ``keepalive_timeout``."""
    request_timeout: float = 120.0
    """Longest time a worker may take for one request."""
    request_timeouts: tuple[tuple[str, float], ...] = ()
    """The same for kinds of requests (front/limits.py), as the options have it."""
    slow_kinds: tuple[tuple[str, float], ...] = (
        ("format=zip", 600.0), ("/zip-attachment/", 600.0), ("/admin/versioncontrol", 600.0),
        ("annotate=", 300.0), ("/changeset", 300.0),
    )  # fmt: skip
    """What takes long in any Trac: archives, managing repositories; who wrote which line, and diffs.

    Never shorter than ``request_timeout``, and after those of the options.
    """
    queue: int = 1000
    """Places in the waiting line."""
    queue_timeout: float = 30.0
    """Longest wait in the line."""
