"""A plugin for Trac: obeys the field ``Remote-User`` in which a front names who has signed in.

For Trac in stock tracd or another server behind tracd-cluster; our own workers are told in another way and do not need
it. Whoever may send that field is whom he says, so it is off by default, and obeyed from this host and from named
proxies only:

    [components]
    tracd_cluster.trac_remote_user.* = enabled

    [trac]
    obey_remote_user_header = true
    remote_user_proxies = 10.0.0.5, 10.1.0.0/16

Nothing of Twisted or of the front is imported here.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from trac.config import BoolOption, ListOption
from trac.core import Component, implements
from trac.web.api import IAuthenticator, IRequestFilter

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NOBODY = ("", "anonymous")


class RemoteUser(Component):  # type: ignore[misc]
    """Takes the user from the `Remote-User` header of a trusted proxy, such as tracd-cluster."""

    implements(IAuthenticator, IRequestFilter)

    obey = BoolOption(
        "trac",
        "obey_remote_user_header",
        "false",
        "Whether the `Remote-User` header says who the user is. Only when nobody but a proxy can reach this server.",
    )
    proxies = ListOption(
        "trac",
        "remote_user_proxies",
        "",
        doc="Addresses and networks, besides this host, from which the `Remote-User` header is obeyed.",
    )
    ignore_case = BoolOption("trac", "ignore_auth_case", "false", "Whether login names are converted to lower case.")

    # IAuthenticator methods

    def authenticate(self, req: Any) -> str | None:
        """Give the name of the user, and leave it where Trac's login finds it and makes its cookie."""
        name = self._named(req)
        if name is None:
            return None
        req.environ["REMOTE_USER"] = name
        return name.lower() if self.ignore_case else name

    # IRequestFilter methods

    def pre_process_request(self, req: Any, handler: Any) -> Any:
        """Let the field count before the cookie of an earlier login, in whichever order Trac has asked for them."""
        name = self.authenticate(req)
        if name is not None and req.authname != name:
            req.authname = name
        return handler

    def post_process_request(self, req: Any, template: Any, data: Any, metadata: Any) -> tuple[Any, Any, Any]:
        """Nothing to do."""
        return template, data, metadata

    # Internal methods

    def _named(self, req: Any) -> str | None:
        said = req.environ.get("HTTP_REMOTE_USER")
        if not self.obey or said is None:
            return None
        address = req.environ.get("REMOTE_ADDR", "")
        if not self._trusts(address):
            self.log.warning("Remote-User from %s is not obeyed: see [trac] remote_user_proxies", address)
            return None
        try:
            # WSGI gives the bytes of a field as characters of Latin-1 (PEP 3333).
            name = str(said).encode("latin-1").decode("utf-8").strip()
        except UnicodeError:
            self.log.warning("Remote-User from %s is not UTF-8 and not obeyed", address)
            return None
        return None if name in _NOBODY or _CONTROL.search(name) else name

    def _trusts(self, text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if address.is_loopback:
            return True
        for proxy in self.proxies:
            try:
                if address in ip_network(proxy):
                    return True
            except ValueError:
                self.log.error("[trac] remote_user_proxies: %r is no address or network", proxy)
        return False
