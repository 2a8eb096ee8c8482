"""The values of addresses: of other workers, and of the admin listener."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

from tracd_cluster.configuration.addresses import admin, command, resolver, upstream, url_path
from tracd_cluster.settings.foreign import Upstream


def test_a_command_is_split_as_a_shell_does_it() -> None:
    """Quotes hold words together; nothing else of a shell is in it."""
    assert ("tracd", "-s", "-p", "{port}", "/my env", "$HOME") == command("tracd -s -p {port} '/my env' $HOME")


@pytest.mark.parametrize("text", ["tracd -s ENV", "", "{port}", "tracd '{port}"])
def test_a_command_without_a_port(text: str) -> None:
    """Nobody could reach it."""
    with pytest.raises(ArgumentTypeError):
        command(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://10.0.0.5:8000", Upstream(scheme="http", host="10.0.0.5", port=8000)),
        ("http://trac.internal", Upstream(scheme="http", host="trac.internal", port=80)),
        ("https://trac.internal./", Upstream(scheme="https", host="trac.internal", port=443, base_path="")),
        ("http://[2001:db8::1]:81/a/b/", Upstream(scheme="http", host="2001:db8::1", port=81, base_path="/a/b")),
        (
            "http://x:1;weight=2.5;trusted;own-host",
            Upstream(scheme="http", host="x", port=1, weight=2.5, trusted=True, own_host=True),
        ),
        ("srv://trac.consul", Upstream(scheme="http", host="trac.consul", port=80, srv=True)),
        (
            "https+srv://_https._tcp.x/a",
            Upstream(scheme="https", host="_https._tcp.x", port=443, srv=True, base_path="/a"),
        ),
    ],
)
def test_an_upstream_is_a_url_with_words_behind_it(text: str, expected: Upstream) -> None:
    """Each word says one thing; a path stands for the base path there."""
    read = upstream(text)
    assert text == str(read)
    fields = [name for name in Upstream.__slots__ if name != "text"]
    assert [getattr(expected, name) for name in fields] == [getattr(read, name) for name in fields]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("10.0.0.5:8000", "begins with neither"),
        ("ftp://x", "begins with neither"),
        ("http://", "names no host"),
        ("http://x y", "names no host"),
        ("http://user@x", "may have a host, a port and a path"),
        ("http://x/?a=b", "may have a host, a port and a path"),
        ("http://x:99999", "Port out of range"),
        ("srv://x:80", "the port is in the SRV records"),
        ("http://x;weight=0", "'weight=0' is neither"),
        ("http://x;trusted=yes", "'trusted=yes' is neither"),
        ("http://x;", "'' is neither"),
    ],
)
def test_what_is_no_upstream(text: str, why: str) -> None:
    """The message names the text and what is wrong with it."""
    with pytest.raises(ArgumentTypeError, match=why) as raised:
        upstream(text)
    assert repr(text) in str(raised.value)


def test_a_path_and_a_name_server() -> None:
    """As they are written."""
    assert "/wiki?a=b" == url_path("/wiki?a=b")
    assert ("127.0.0.1", 53) == resolver("127.0.0.1")
    assert ("127.0.0.1", 5353) == resolver("127.0.0.1:5353")
    assert ("::1", 5353) == resolver("[::1]:5353")
    assert ("::1", 53) == resolver("::1")
    for text in ("wiki", "/a b", "/a\r\nX: y"):
        with pytest.raises(ArgumentTypeError):
            url_path(text)
    with pytest.raises(ArgumentTypeError):
        resolver("ns.example.org")


@pytest.mark.parametrize(
    ("text", "reach", "endpoint", "host"),
    [
        ("9180", "loopback", "tcp:port=9180:interface=127.0.0.1", "127.0.0.1"),
        ("127.0.0.2:9180", "loopback", "tcp:port=9180:interface=127.0.0.2", "127.0.0.2"),
        ("[::1]:9180", "loopback", r"tcp6:port=9180:interface=\:\:1", "::1"),
        ("LocalHost:9180", "loopback", "tcp:port=9180:interface=localhost", "localhost"),
        ("10.0.0.5:9180", "network", "tcp:port=9180:interface=10.0.0.5", "10.0.0.5"),
        ("0.0.0.0:9180;open", "network", "tcp:port=9180:interface=0.0.0.0", "0.0.0.0"),
        ("0.0.0.0:9180", "network", "tcp:port=9180:interface=0.0.0.0", "0.0.0.0"),
        ("[::]:9180", "network", r"tcp6:port=9180:interface=\:\:", "::"),
        ("admin.example.org:80", "network", "tcp:port=80:interface=admin.example.org", "admin.example.org"),
        ("localhost.x:80", "network", "tcp:port=80:interface=localhost.x", "localhost.x"),
        ("unix:/run/a.sock", "socket", "unix:address=/run/a.sock:mode=600:lockfile=1", ""),
        ("unix:/run/a.sock;mode=660", "socket", "unix:address=/run/a.sock:mode=660:lockfile=1", ""),
        ("unix:a:b.sock", "socket", r"unix:address=/etc/a\:b.sock:mode=600:lockfile=1", ""),
    ],
)
def test_admin_addresses(text: str, reach: str, endpoint: str, host: str) -> None:
    """It is known of each who can reach it; what is written again is read as the same."""
    address = admin(text, "/etc")
    assert (reach, endpoint, host) == (address.reach, address.endpoint, address.host)
    again = admin(str(address), "/elsewhere")
    assert (address.endpoint, address.path, address.open) == (again.endpoint, again.path, text.endswith(";open"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "none of unix:/path"), ("x", "none of"), (":9180", "none of"), ("a b:9180", "none of"),
        ("9180;mode=600", "none of"), ("127.0.0.1:99999", "none of"), ("unix:", "none of"),
        ("unix:/a;mode=9", "none of"),
        ("unix:/a;owner=x", "none of"), ("unix:/a;open", "none of"), ("unix:/a;mode=600;mode=600", "none of"),
        ("unix:/a;mode=666", "would let everybody on this host in"), ("unix:/a;mode=604", "would let everybody"),
    ],
)  # fmt: skip
def test_what_is_no_admin_address(text: str, why: str) -> None:
    """The message says what was expected."""
    with pytest.raises(ArgumentTypeError, match=why):
        admin(text)
