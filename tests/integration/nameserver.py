"""A name server for tests: ``nameserver.py PORT ZONE`` answers from a JSON file, which it reads for every question.

The file maps names to ``{"A": [...], "AAAA": [...], "SRV": [[priority, weight, port, target], ...], "ttl": seconds}``;
a name that maps to null makes the server fail.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from twisted.internet import defer
from twisted.internet import reactor as any_reactor  # noqa: TID251 - this is a program, not a test
from twisted.names import dns as any_dns
from twisted.names import error
from twisted.names import server as any_server

reactor: Any = any_reactor
dns: Any = any_dns
server: Any = any_server


class Zone:
    """Answers from the file, and writes each question down beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def query(self, query: Any, timeout: Any = None) -> defer.Deferred[Any]:
        """Answer one question."""
        name = str(query.name)
        zone = json.loads(self._path.read_text())
        if name not in zone:
            return defer.fail(error.DNSNameError())
        found = zone[name]
        if found is None:
            return defer.fail(error.DNSServerError())
        ttl = found.get("ttl", 1)
        records: list[Any] = []
        if query.type == dns.A:
            records = [dns.Record_A(address, ttl) for address in found.get("A", [])]
        elif query.type == dns.AAAA:
            records = [dns.Record_AAAA(address, ttl) for address in found.get("AAAA", [])]
        elif query.type == dns.SRV:
            records = [dns.Record_SRV(*service, ttl=ttl) for service in found.get("SRV", [])]
        headers = [dns.RRHeader(name, record.TYPE, dns.IN, ttl, record, auth=True) for record in records]
        return defer.succeed((headers, [], []))


def main() -> None:
    """Serve until killed."""
    port, path = int(sys.argv[1]), Path(sys.argv[2])
    factory = server.DNSServerFactory(clients=[Zone(path)])
    reactor.listenUDP(port, dns.DNSDatagramProtocol(factory), interface="127.0.0.1")
    reactor.listenTCP(port, factory, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main()
