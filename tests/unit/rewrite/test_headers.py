"""Heads on their way in and out."""

from __future__ import annotations

import pytest

from tracd_cluster.errors import ClientFault
from tracd_cluster.rewrite.headers import answer_head, sort_fields

DATE = b"Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n"


def test_an_answer_loses_what_was_between_worker_and_front() -> None:
    """Clients see neither the worker's connection fields nor the internal ones."""
    fields = [
        (b"Content-Type", b"text/plain"),
        (b"Connection", b"keep-alive"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Tracd-Cluster-File", b"/etc/passwd"),
        (b"Set-Cookie", b"a=b"),
        (b"Set-Cookie", b"c=d"),
    ]
    assert (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: 3\r\n"
        + DATE
        + b"Server: tracd-cluster\r\nConnection: close\r\n\r\n"
    ) == answer_head(200, b"OK", fields, b"Content-Length: 3\r\n", DATE, b"Connection: close\r\n")


def test_an_answer_keeps_its_own_date_server_and_length() -> None:
    """What the application has said is not said again."""
    fields = [(b"date", b"x"), (b"SERVER", b"y"), (b"content-length", b"3")]
    assert b"HTTP/1.1 404 Not Found\r\ndate: x\r\nSERVER: y\r\ncontent-length: 3\r\n\r\n" == (
        answer_head(404, b"Not Found", fields, b"", DATE, b"")
    )


# -- in



@pytest.mark.parametrize(
    "name",
    [
        b"Remote-User", b"REMOTE-ADDR", b"X-Remote-User", b"Auth-User", b"Tracd-Cluster-User", b"tracd-cluster-server",
        b"X-Forwarded-For", b"x-forwarded-proto", b"Forwarded", b"X-Real-IP", b"Script-Name", b"Proxy",
    ],
)  # fmt: skip
def test_what_only_a_proxy_may_say_reaches_no_worker(name: bytes) -> None:
    """It is set apart for the front, which knows who sent it."""
    found = sort_fields([(name, b" ann\t"), (b"Accept", b"*/*")])
    assert [b"Accept: */*\r\n"] == found.lines
    assert ((name.lower(), b"ann"),) == found.claims


def test_a_field_of_the_operator_s_choice_is_a_claim_too() -> None:
    """Each time it comes it claims something of its own; without the option it is an ordinary field."""
    fields = [(b"X-Shib-UID", b"ann"), (b"x-shib-uid", b"ben")]
    claimed = sort_fields(fields, b"x-shib-uid")
    assert ([], ((b"x-shib-uid", b"ann"), (b"x-shib-uid", b"ben"))) == (claimed.lines, claimed.claims)
    free = sort_fields(fields)
    assert ([b"X-Shib-UID: ann\r\n", b"x-shib-uid: ben\r\n"], ()) == (free.lines, free.claims)


@pytest.mark.parametrize("name", [b"Remote_User", b"X_Shib_UID", b"tracd_cluster_user", b"Authorization_"])
def test_an_underscore_is_no_way_around(name: bytes) -> None:
    """Behind WSGI it could not be told from a hyphen, so such a field is gone altogether."""
    found = sort_fields([(name, b"ann")], b"x-shib-uid")
    assert ([], (), None) == (found.lines, found.claims, found.authorization)


def test_the_connection_field_cannot_unmake_a_claim() -> None:
    """A client cannot have a proxy's word, or its own password, dropped on the way."""
    fields = [
        (b"Connection", b"close, remote-user, authorization, x-other"),
        (b"Remote-User", b"ann"), (b"Authorization", b"Basic x"), (b"X-Other", b"1"),
    ]  # fmt: skip
    found = sort_fields(fields, b"remote-user")
    assert ((b"remote-user", b"ann"),) == found.claims
    assert (b"Basic x", [b"Authorization: Basic x\r\n"]) == (found.authorization, found.lines)


def test_authorization_is_read_and_passed_on() -> None:
    """Plugins that have their own tokens still see them."""
    found = sort_fields([(b"AUTHORIZATION", b"  Bearer x ")])
    assert b"Bearer x" == found.authorization
    assert [b"Authorization: Bearer x\r\n"] == found.lines
    assert sort_fields([]).authorization is None


@pytest.mark.parametrize("name", [b"Authorization", b"Host"])
def test_two_of_a_kind_are_refused(name: bytes) -> None:
    """Two who read the request might each take another one; equal ones are no exception."""
    with pytest.raises(ClientFault) as refused:
        sort_fields([(name, b"Basic YTpi"), (name.lower(), b"Basic YTpi")])
    assert 400 == refused.value.status
