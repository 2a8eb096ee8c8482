"""What stands where: one server of ours for each way to be asked, and the proxies in front of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.integration.proxies.proxies import STREAM_MODULE, Start, apache, haproxy, haproxy_tcp, nginx, nginx_stream

BASE_PATH = "/some/path"
BASE_URL = "https://trac.example.org"
TRUST = ("--trusted-proxy", "127.0.0.1")


@dataclass(frozen=True)
class Inner:
    """A server of ours: what it is given besides its environments, and how it speaks by itself."""

    options: tuple[str, ...] = ()
    scheme: str = "http"
    path: str = ""
    """The base path; with one, the environments are in a folder instead of one at the root."""
    trac: Mapping[str, str] = field(default_factory=dict)
    """Options of section [trac]."""


INNER: Mapping[str, Inner] = {
    "alone": Inner(),
    "below": Inner((*TRUST, "--base-path", BASE_PATH), path=BASE_PATH),
    "behind": Inner(TRUST),
    "named": Inner(TRUST, trac={"base_url": BASE_URL, "use_base_url_for_redirect": "true"}),
    "lines": Inner((*TRUST, "--proxy-protocol", "--head-timeout", "2")),
    "secure lines": Inner((*TRUST, "--proxy-protocol", "--head-timeout", "2"), "https"),
}


@dataclass(frozen=True)
class Arrangement:
    """Somebody in front of one of ours, or nobody."""

    inner: str
    scheme: str = "https"
    start: Start | None = None
    needs: tuple[str, ...] = ()
    stream: bool = False
    """It passes whole connections on."""


ASKING = "\n    option httpchk\n    http-check send meth GET uri /about ver HTTP/1.1 hdr Host localhost"
"""Checks that want an answer."""
SECURELY = f"check-ssl verify none {ASKING}"

ARRANGEMENTS: Mapping[str, Arrangement] = {
    "alone": Arrangement("alone", "http"),
    "alone below": Arrangement("below", "http"),
    "nginx": Arrangement("behind", start=nginx(), needs=("nginx",)),
    "nginx below": Arrangement("below", start=nginx({"location / {": f"location {BASE_PATH} {{"}), needs=("nginx",)),
    "nginx named": Arrangement("named", start=nginx(), needs=("nginx",)),
    "nginx stream": Arrangement("secure lines", start=nginx_stream, needs=("nginx", STREAM_MODULE), stream=True),
    "haproxy": Arrangement("behind", start=haproxy, needs=("haproxy",)),
    "haproxy tcp 1": Arrangement("secure lines", start=haproxy_tcp("send-proxy"), needs=("haproxy",), stream=True),
    "haproxy tcp 2": Arrangement("secure lines", start=haproxy_tcp("send-proxy-v2"), needs=("haproxy",), stream=True),
    "haproxy plain": Arrangement("lines", "http", haproxy_tcp("send-proxy-v2"), ("haproxy",), True),
    "haproxy asking 1": Arrangement("lines", "http", haproxy_tcp("send-proxy", ASKING), ("haproxy",), True),
    "haproxy asking 2": Arrangement(
        "secure lines", "https", haproxy_tcp("send-proxy-v2", SECURELY), ("haproxy",), True
    ),
    "apache": Arrangement("behind", start=apache, needs=("apache2",)),
}
WALKED = [name for name, each in ARRANGEMENTS.items() if each.inner != "named" and "asking" not in name]
HTTP_PROXIES = [name for name in WALKED if ARRANGEMENTS[name].start is not None and not ARRANGEMENTS[name].stream]
