"""Where the same page is by HTTPS: for those who came by plain HTTP, to either port."""

from __future__ import annotations

import re

from tracd_cluster.errors import ClientFault
from tracd_cluster.front.target import check_host, check_path

_REQUEST = re.compile(rb"[A-Z]+ (/[!-~]*) HTTP/1\.[01]\r?\n")
_HOST = re.compile(rb"\nhost:[ \t]*([!-~]+)[ \t]*(?=\r?\n)", re.IGNORECASE)
_END_OF_HEAD = re.compile(rb"(?<=\n)\r?\n")
_PORT = re.compile(rb":[0-9]*\Z")

HTTPS_PORT = 443


def moved(host: bytes | None, port: int, target: bytes) -> ClientFault:
    """Answer a plain request with the address of the same page at an HTTPS port: path and query as they came."""
    if host is None:
        return ClientFault(400, "This site speaks HTTPS, and the request does not say which host it is for.")
    name = _PORT.sub(b"", host)
    where = name if port == HTTPS_PORT else b"%b:%d" % (name, port)
    return ClientFault(308, "This page is served by HTTPS.", b"Location: https://%b%b\r\n" % (where, target))


def plain_request_url(data: bytes) -> str:
    """Give the address that was meant by who speaks plain HTTP to an HTTPS port; empty if that is not clear."""
    head = _END_OF_HEAD.split(data, 1)[0]
    request, hosts = _REQUEST.match(head), _HOST.findall(head)
    if request is None or len(hosts) != 1:
        return ""
    try:
        check_host(hosts[0])
        check_path(request[1])
    except ClientFault:
        return ""
    return f"https://{hosts[0].decode('ascii')}{request[1].decode('ascii')}"
