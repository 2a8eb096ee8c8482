"""Every setting in its final, checked form.

Each room gets the part it needs and copies it to attributes when it is made; nobody looks a setting up by name
afterwards. Times are seconds, sizes are bytes. The defaults stand here and nowhere else: the command line shows
them, the documentation quotes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSettings:
    """Which Trac environments are served, in tracd's own terms (trac/web/standalone.py)."""

    env_paths: tuple[str, ...] = ()
    """Absolute paths; the base name of each is its project's name in the URL."""
    env_parent_dir: str | None = None
    """Absolute path; every folder in it is a project. Wins over ``env_paths``, as in tracd."""
    single_env: bool = False
    """Serve ``env_paths[0]`` at the root, without an index of projects."""
    base_path: str = ""
    """URL prefix, empty or ``/some/path`` without a slash at its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSettings:
    """A command to be run for each worker, in place of our own: ``--worker-command``."""

    words: tuple[str, ...]
    """``{port}``, ``{host}``, ``{number}`` and ``{base_path}`` are put in."""
    folder: str
    """Where it is run: the folder that the front was started in."""
    base_path: str = ""
    """The one that the command serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """One server elsewhere, or all that a name stands for: one ``--upstream``."""

    scheme: Literal["http", "https"]
    host: str
    """A name, an address, or a name with SRV records."""
    port: int
    srv: bool = False
    """The records name the servers and their ports."""
    base_path: str | None = None
    """The one that it serves; None for the same as ours."""
    weight: float = 1.0
    trusted: bool = False
    """It is told who has signed in."""
    own_host: bool = False
    """It gets its own name as Host."""
    text: str = ""
    """As it was written."""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignSettings:
    """How servers that are not ours are spoken to."""

    upstreams: tuple[Upstream, ...] = ()
    base_path: str = ""
    """That of the front."""
    passwords: bool = True
    """Authorization is passed on: nobody checks passwords here."""
    health_path: str | None = None
    """None for the base path with a slash."""
    health_host: str = ""
    """The Host of health checks."""
    health_scheme: str = "http"
    """What they say that clients use."""
    health_interval: float = 5.0
    ca_file: str | None = None
    """Whom to believe that an https server is who it says; None for the system's own."""
    connections: int = 16
    """Requests under way at one server."""
    resolver: tuple[str, int] | None = None
    """A name server to ask; None for those of the system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """The workers and the template they are forked from."""

    projects: ProjectSettings = field(default_factory=ProjectSettings)
    workers: int = 1
    most_workers: int = 1
    """More than ``workers`` lets their number grow, from there, as it is needed."""
    processors: int = 1
    """How many workers can be at work at once without being in each other's way."""
    grow_after: float = 0.3
    """How long the head of the line waits before there is one more."""
    shrink_after: float = 60.0
    """How long one must not have been needed to go."""
    max_requests: int | None = None
    max_memory: int | None = None
    """Bytes of one worker."""
    lifetime: float | None = None
    """How long a worker serves before it is replaced."""
    threads: int = 1
    """Lanes of a worker: how many requests one process handles at a time."""
    preload: bool = True
    """Warm once, in the template, before forking; otherwise each worker warms itself."""
    freeze: bool = True
    """``gc.freeze()`` the warm heap (tracd/tuning.py)."""
    remember_locales: bool = True
    """List Trac's translations, and read each, once per process (tracd/tuning.py)."""
    command: CommandSettings | None = None
    """What is run in place of our own workers."""
    application: str | None = None
    """``module:callable`` of a WSGI application to serve instead of Trac (for benchmarks and tests)."""
    umask: int = 0o022
    https: bool = False
    """Clients come by HTTPS, and nothing else: Trac should know that of its cookies."""
    drain_timeout: float = 30.0
    """How long running requests may take to end when everything stops."""
    leave_timeout: float = 30.0
    """The same for a worker that makes room for another one: no shorter than any limit of the front's."""
    terminate_timeout: float = 5.0
    """From SIGTERM to SIGKILL."""
    start_timeout: float = 120.0
    """How long a template may take to get ready, and a worker to answer its first probe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthEntry:
    """Who may log in to a project: one ``--auth`` or ``--basic-auth``."""

    kind: Literal["basic", "digest"]
    project: str
    """The base name of its environment, or ``*`` for all that have no entry of their own."""
    file: str
    """Absolute path of an htpasswd or htdigest file."""
    realm: str

    def __str__(self) -> str:
        return f"{self.project},{self.file},{self.realm}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """Who asks for passwords, and where."""

    entries: tuple[AuthEntry, ...] = ()
    """One for each project at the most."""
    required: frozenset[str] = frozenset()
    """Projects that nobody sees without logging in; ``*`` for everything."""
    single_project: str | None = None
    """The name of the project that is served at the root."""
    base_path: str = ""
    remote_user: bytes | None = None
    """As in FrontSettings."""
    certified: bool = False
    """A client's certificate may say who it is."""
    secret_file: str | None = None
    """What signs nonces, when several fronts have to know each other's; None for a secret of this process's own."""
    nonce_lifetime: float = 300.0
    """How long a browser may go on with one Digest nonce, as Apache's ``AuthDigestNonceLifetime``."""
    remember: float = 300.0
    """How long a password that was found right is not checked again the slow way."""

    @property
    def wanted(self) -> bool:
        """Whether there is anything to ask or to believe."""
        return bool(self.entries or self.required or self.remote_user or self.certified)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSettings:
    """How the front runs as a process; what twistd does for us is told to it."""

    daemonize: bool = False
    pidfile: str | None = None
    umask: int | None = None
    """None leaves the front's alone; workers have their own (PoolSettings)."""
    user: int | None = None
    group: int | None = None
    logfile: str | None = None
    auto_reload: bool = False
    """Watch the code too; settings are watched in any case."""
    reload_poll: float | None = None
    """Time between two looks at what is watched; None to wait for word from the system."""
    control: str = "auto"
    """Absolute path of the control socket; ``auto`` for one of our choice (operating/places.py), ``off`` for none."""
    drain_delay: float = 0.0
    """How long to go on serving after we have been asked to stop, for those who send clients here to notice."""


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
    request_line_limit: int = 8 * 1024
    """As nginx's ``large_client_header_buffers``."""
    head_limit: int = 32 * 1024
    """As nginx's four buffers of 8 KiB."""
    header_limit: int = 100
    """Header fields of one request, as Apache's ``LimitRequestFields``."""
    max_body: int = 1 << 30
    body_memory: int = 64 * 1024
    """A larger body goes to a temporary file."""
    answer_memory: int = 1 << 20
    """What is kept of an answer for a slow client before its worker is made to wait."""
    head_timeout: float = 20.0
    """From the first byte of a request to the end of its head."""
    body_timeout: float = 30.0
    """Longest pause between two pieces of a body, either way."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the command line and the configuration file say."""

    front: FrontSettings
    pool: PoolSettings
    auth: AuthSettings = field(default_factory=AuthSettings)
    foreign: ForeignSettings = field(default_factory=ForeignSettings)
    process: ProcessSettings = field(default_factory=ProcessSettings)
    warnings: tuple[str, ...] = ()
    """What the operator should hear at the start."""
