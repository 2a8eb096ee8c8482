"""Logging in to both servers by Digest, with real clients and real password files."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from requests.auth import HTTPDigestAuth

from tests.integration.dropin.accounts import (
    DIGEST_CLIENTS,
    ODD_PASSWORD,
    basic,
    digest,
    htdigest,
    session,
    set_option,
    stranger,
    who,
)
from tests.integration.dropin.conftest import MakeProject, StartServer
from tests.integration.dropin.server import OURS, TRACD, Server, ours_only

PASSWORD = "harbour"
REALM = "the harbour"


@pytest.fixture(scope="module")
def digest_server(
    program: str, module_project: MakeProject, start_module: StartServer, tmp_path_factory: pytest.TempPathFactory
) -> Server:
    """Two projects with Digest authentication, one of them among the rest."""
    files = tmp_path_factory.mktemp("passwords")
    own = htdigest(files / "own.digest", REALM, {"admin": PASSWORD, "odd": ODD_PASSWORD, "target": PASSWORD})
    rest = htdigest(files / "rest.digest", "everywhere else", {"maren": PASSWORD})
    envs = [module_project(f"{program}-digest/{name}") for name in ("alpha", "beta")]
    for env in envs:
        set_option(env, "show_full_names", "false")
    options = ["-a", f"alpha,{own},{REALM}", "--auth", f"*,{rest},everywhere else"]
    return start_module(program, *options, *map(str, envs), path="/alpha/about")


@pytest.mark.needs("curl", "wget")
@pytest.mark.parametrize("client", DIGEST_CLIENTS)
def test_clients_log_in_by_digest(digest_server: Server, client: str, tmp_path: Path) -> None:
    """Each client answers the challenge, and its cookie alone is enough from then on."""
    assert "admin" == who(DIGEST_CLIENTS[client](f"{digest_server.url}/alpha", "admin", PASSWORD, tmp_path))


@pytest.mark.needs("curl", "wget")
@pytest.mark.parametrize("client", ["curl --digest", "requests", "wget"])
def test_odd_characters_by_digest(digest_server: Server, client: str, tmp_path: Path) -> None:
    """A password may hold colons, and letters of any language."""
    assert "odd" == who(DIGEST_CLIENTS[client](f"{digest_server.url}/alpha", "odd", ODD_PASSWORD, tmp_path))


def test_a_session_of_digest(digest_server: Server) -> None:
    """A client that knows a challenge may try it again, gets a new one, and comes back to the page it came from."""
    with session() as visitor:
        method = HTTPDigestAuth("admin", PASSWORD)
        for page in ("roadmap", "query?status=new"):
            address = f"{digest_server.url}/alpha/{page}"
            reached = visitor.get(
                f"{digest_server.url}/alpha/login", params={"referer": address}, auth=method, timeout=30
            )
            assert (200, address) == (reached.status_code, reached.url)
            assert "admin" == who(reached.text)


def test_the_challenge_of_digest(digest_server: Server) -> None:
    """Each challenge has a nonce of its own."""
    nonces = set()
    for project, realm in (("alpha", REALM), ("beta", "everywhere else"), ("beta", "everywhere else")):
        reply = digest_server.get(f"/{project}/login")
        assert 401 == reply.status
        challenge = reply.headers["WWW-Authenticate"]
        assert challenge.startswith(f'Digest realm="{realm}"')
        nonce = re.search(r'nonce="([^"]+)"', challenge)
        assert nonce is not None
        nonces.add(nonce[1])
        assert 'qop="auth"' in challenge
    assert 3 == len(nonces)


def test_wrong_digest_credentials(digest_server: Server) -> None:
    """A wrong password, an unknown user, a user of another realm, another address, an old method: challenged again."""
    for user, password, path in (
        ("target", "wrong", "/alpha/login"),
        ("nobody", PASSWORD, "/alpha/login"),
        ("stranger", PASSWORD, "/alpha/login"),
        ("", "", "/alpha/login"),
        ("maren", PASSWORD, "/alpha/login"),
    ):
        address = stranger()
        challenge = digest_server.get("/alpha/login", source=address).headers["WWW-Authenticate"]
        reply = digest_server.get("/alpha/login", digest(challenge, user, password, path), address)
        assert (401, "") == (reply.status, reply.cookie("trac_auth")), user
        assert reply.headers["WWW-Authenticate"].startswith("Digest")
    assert 401 == digest_server.get("/alpha/login", basic("target", PASSWORD), stranger()).status


@ours_only
@pytest.mark.parametrize(
    "authorization",
    [
        "Digest",
        "Digest ",
        "Digest foo",
        "Digest foo=",
        "Digest username=",
        'Digest username="',
        "Digest ,,,",
        'Digest username="target", realm="the harbour", nonce="x", uri="/alpha/login", response="0", nc=1, cnonce=""',
        'Digest username="target", realm="the harbour", nonce="x", uri="/alpha/login", response="0", nc=1, cnonce="",'
        " qop=auth",
    ],
)
def test_malformed_digest_credentials(digest_server: Server, authorization: str) -> None:
    """An answer that cannot be read is a wrong one; tracd answers some of them with an exception."""
    reply = digest_server.get("/alpha/login", {"Authorization": authorization}, stranger())
    assert (401, "") == (reply.status, reply.cookie("trac_auth"))
    assert reply.headers["WWW-Authenticate"].startswith("Digest")


def test_a_stolen_answer_is_worth_nothing(digest_server: Server) -> None:
    """The very bytes that logged somebody in do not do so again."""
    challenge = digest_server.get("/alpha/login").headers["WWW-Authenticate"]
    header = digest(challenge, "admin", PASSWORD, "/alpha/login")["Authorization"]
    request = f"GET /alpha/login HTTP/1.0\r\nHost: localhost\r\nAuthorization: {header}\r\n\r\n".encode()

    def send() -> bytes:
        with socket.create_connection(("127.0.0.1", digest_server.port), timeout=30) as client:
            client.sendall(request)
            return b"".join(iter(lambda: client.recv(65536), b""))

    assert b"trac_auth=" in send()
    again = send()
    assert b"401" == again.split(b" ", 2)[1]
    assert b"trac_auth=" not in again


def test_passers_by_do_not_spoil_a_login(digest_server: Server) -> None:
    """Ours takes the answer to a challenge however many others are asked meanwhile; tracd remembers a hundred."""
    challenge = digest_server.get("/alpha/login").headers["WWW-Authenticate"]
    for _ in range(120):
        assert 401 == digest_server.get("/alpha/login").status
    reply = digest_server.get("/alpha/login", digest(challenge, "admin", PASSWORD, "/alpha/login"))
    expected = {TRACD: (401,), OURS: (302, 303)}[digest_server.program]
    assert reply.status in expected
