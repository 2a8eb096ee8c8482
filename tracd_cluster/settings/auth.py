"""Who asks for passwords, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


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
