"""What is decided of a request by its head alone: who asks, by which address, and whether it may go on.

Most connections ask for themselves, and what is known of them holds for all their requests. Behind a trusted proxy
each request may be somebody else's: then it has an origin of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tracd_cluster.auth.gate import Attempt
from tracd_cluster.errors import ClientFault
from tracd_cluster.front.head import Head
from tracd_cluster.front.health import PREFIX, health
from tracd_cluster.front.https_url import moved
from tracd_cluster.front.robots import Robots
from tracd_cluster.front.target import check_host, inside
from tracd_cluster.rewrite import forwarded

if TYPE_CHECKING:
    from tracd_cluster.front.listener import Front


class Origin(Protocol):
    """Whose a request is, and how it has come."""

    address: str
    trusted: bool
    scheme: bytes
    """As the client sees it: ``http`` or ``https``."""
    here: tuple[bytes, int]
    """Our own end: host and port."""
    identity: bytes
    """The lines that tell a worker of all this."""
    certified_user: bytes
    """Whom its certificate names, percent-encoded; empty for nobody."""
    redirect_port: int
    """The HTTPS port where everything is, for those who came by plain HTTP; 0 if this is the right one."""


class ForwardedOrigin:
    """The origin of a request that a trusted proxy has passed on."""

    __slots__ = ("address", "certified_user", "here", "identity", "redirect_port", "scheme", "trusted")

    def __init__(self, proxy: Origin, said: forwarded.Forwarded) -> None:
        self.address = said.address or proxy.address
        self.trusted = True
        self.scheme = said.scheme or proxy.scheme
        self.here = proxy.here
        self.identity = identity_lines(self.scheme, self.here, self.address, 0)
        # A certificate on this connection is the proxy's own, and says nothing of the client.
        self.certified_user = b""
        self.redirect_port = proxy.redirect_port if self.scheme == b"http" else 0


class Admission:
    """A request that has been looked at.

    ``own`` is the answer if the front gives it itself, ``health`` if it tells of itself, ``robots`` has it if robots
    ask beside the base path; ``attempt`` is a login that has to be decided first; ``user`` is the name of who has
    signed in, percent-encoded, or empty; ``request_id`` is what a trusted proxy calls the request, or empty.
    """

    __slots__ = ("attempt", "health", "origin", "own", "request_id", "robots", "user")

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.own: ClientFault | None = None
        self.health: tuple[int, str] | None = None
        self.robots: Robots | None = None
        self.attempt: Attempt | None = None
        self.user = b""
        self.request_id = b""


def admit(front: Front, client: Origin, head: Head) -> Admission:
    """Look at a request; raise ClientFault if not even its body is to be read."""
    if head.length > front.max_body:
        raise ClientFault(413, f"A request body may have {front.max_body} bytes at the most.")
    admission = Admission(client)
    if head.path == b"*":
        return admission
    if front.public_health and head.path[:3] == PREFIX and head.method in (b"GET", b"HEAD"):
        # Whoever watches us knows an address, and neither our names nor a password.
        admission.health = health(front, head.path)
        if admission.health is not None:
            return admission
    try:
        if client.trusted and head.claims:
            admission.request_id = forwarded.request_id(head.claims)
            admission.origin = client = _origin(front, client, head)
        if front.hosts is not None:
            front.hosts.check(head.host, client.scheme, head.target)
        if client.redirect_port:
            raise moved(head.host, client.redirect_port, head.target)
        if front.base_path:
            if front.robots is not None and front.robots.is_wanted(head.method, head.path):
                admission.robots = front.robots
                return admission
            _check_base_path(front.base_path, head)
        if front.gate is not None:
            found = front.gate.judge(head, client, front.now)
            if isinstance(found, bytes):
                admission.user = found
            else:
                admission.attempt = found
    except ClientFault as fault:
        admission.own = fault  # its body is read and thrown away
        return admission
    if head.length > front.body_memory:
        front.spool.check(head.length)
    return admission


def _origin(front: Front, proxy: Origin, head: Head) -> Origin:
    said = forwarded.read(head.claims, front.trusts)
    if said.host is not None:
        check_host(said.host)
        head.name_host(said.host)
    return ForwardedOrigin(proxy, said) if said.address or said.scheme else proxy


def _check_base_path(base_path: bytes, head: Head) -> None:
    if head.path == base_path:
        # With a slash, or the links of the page would lead beside it.
        query = head.target[len(head.path) :]
        raise ClientFault(308, "This page is one slash further.", b"Location: %b/%b\r\n" % (base_path, query))
    if not inside(head.path, base_path):
        raise ClientFault(404, "There is nothing at this address.")


def identity_lines(scheme: bytes, here: tuple[bytes, int], address: str, port: int) -> bytes:
    """Make the lines that tell a worker who asks, and at which of our addresses."""
    return b"Tracd-Cluster-Server: %b %b %d\r\nTracd-Cluster-Client: %b %d\r\n" % (
        scheme, *here, (address or "127.0.0.1").encode("ascii"), port,
    )  # fmt: skip
