"""The gate: where a login is asked for, who is believed, and what the log says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trac.web.standalone import AuthenticationMiddleware, BasePathMiddleware
from twisted.logger import capturedLogs, formatEvent

from tests.unit.auth.children import ChildReactor
from tests.unit.auth.doorway import (
    LOGIN,
    NOW,
    PASSWORDS,
    Doorway,
    Request,
    Visitor,
    basic,
    digest,
    status_of,
    write_htpasswd,
)
from tracd_cluster.auth.gate import Gate
from tracd_cluster.auth.verifier import Verifier
from tracd_cluster.errors import ClientFault, StartError
from tracd_cluster.front.target import inside
from tracd_cluster.settings.auth import AuthEntry, AuthSettings
from tracd_cluster.settings.pool import ProjectSettings
from tracd_cluster.tracd.wsgi import RequestReader, constant_environ

PROXY = Visitor("10.0.0.1", trusted=True)
SEGMENTS = st.sampled_from([
    "", "", "proj", "login", "%6Cogin", "login%2Fx", "proj%2Flogin", "proj%2f", "%2F", "other", "chrome", "Login",
    "login2", "x.y", "%E9", "%C3%A9", "%25", "%70roj", "trac", "*", "+", "login;x",
])  # fmt: skip
PATHS = st.lists(SEGMENTS, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts))
BASES = st.sampled_from(["", "/trac", "/login", "/proj/login", "/trac/proj"])
NAMES = st.sets(st.sampled_from(["proj", "other", "login", "é", "*"]), min_size=1)


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A password file."""
    return str(write_htpasswd(tmp_path_factory.mktemp("auth") / "htpasswd", PASSWORDS))


def gate_of(users: str, names: set[str], **settings: Any) -> Gate:
    """A gate with an entry for each project, whose realm is the project's name."""
    entries = tuple(AuthEntry(kind="basic", project=name, file=users, realm=name) for name in sorted(names))
    return Gate(AuthSettings(entries=entries, **settings), b"secret", NOW, Verifier(ChildReactor(), 1))


def realm_asked(gate: Gate, path: str) -> str | None:
    """Give the realm in which a login is asked for at a path."""
    try:
        found = gate.judge(Request(path.encode()), Visitor(), NOW)
    except ClientFault as fault:
        return fault.lines.decode().split('"')[1]
    assert b"" == found
    return None


class TracdsRealm:
    """What tracd asks for a login."""

    def __init__(self, name: str, asked: list[str]) -> None:
        self._name, self._asked = name, asked

    def do_auth(self, environ: dict[str, Any], start_response: object) -> None:
        self._asked.append(self._name)


@given(PATHS, BASES, NAMES, st.sampled_from([None, "proj", "é"]))
def test_a_login_is_asked_for_where_tracd_asks(
    users: str, path: str, base: str, names: set[str], single: str | None
) -> None:
    """Whatever escapes and slashes are in a path, tracd's own class decides the same and asks in the same realm."""
    asked: list[str] = []
    app = AuthenticationMiddleware(lambda *_: [], {name: TracdsRealm(name, asked) for name in names}, single)
    if base:
        app = BasePathMiddleware(app, base.strip("/"))
    app({"SCRIPT_NAME": "", "PATH_INFO": unquote(base + path, "iso-8859-1")}, None)
    found = realm_asked(gate_of(users, names, single_project=single, base_path=base), base + path)
    assert asked == ([] if found is None else [found])


@given(PATHS, BASES, st.sampled_from(["proj", "é", "chrome"]))
def test_a_protected_project_has_no_side_entrance(users: str, path: str, base: str, name: str) -> None:
    """Whatever a path looks like, if Trac finds the project by it, the gate has asked for a login."""
    line = f"GET {base}{path} HTTP/1.1\r\nTracd-Cluster-Server: http x 80\r\n\r\n".encode()
    constant = constant_environ(ProjectSettings(env_paths=(f"/srv/{name}",)), 1, base)
    environ = RequestReader(lambda _: line, constant).read()
    assert environ is not None
    # trac/web/main.py, dispatch_request
    opened = environ["PATH_INFO"].lstrip("/").split("/")[0]
    gate = gate_of(users, {name}, required=frozenset({name}), base_path=base)
    asked = realm_asked(gate, base + path)
    if inside((base + path).encode(), base.encode()):
        assert (opened == name) == (asked is not None)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", None),
        ("/a/login", "a"),
        ("/a/login/", "a"),
        ("/a/login/x", "a"),
        ("//a//login", "a"),
        ("/%61/log%69n", "a"),
        ("/b/login", "*"),
        ("/a/wiki/login", None),
        ("/login", None),
        ("/a/logins", None),
        ("/a/chrome/login", None),
    ],
)
def test_logins_of_several_projects(users: str, path: str, expected: str | None) -> None:
    """A project asks with its own password file or else with that for all."""
    assert expected == realm_asked(gate_of(users, {"a", "*"}), path)


@pytest.mark.parametrize(("path", "expected"), [("/login", "a"), ("//login", "a"), ("/a/login", None), ("/", None)])
def test_the_login_of_one_project(users: str, path: str, expected: str | None) -> None:
    """With -s the login is at the root."""
    assert expected == realm_asked(gate_of(users, {"a", "*"}, single_project="a"), path)


def test_a_project_without_a_password_file_asks_nobody(users: str) -> None:
    """As with tracd, Trac then says that logging in is not set up."""
    assert realm_asked(gate_of(users, {"a"}), "/b/login") is None


# -- require-login


@pytest.mark.parametrize("path", ["/a", "/a/", "/a/wiki", "/a/chrome/common/trac.css", "//a", "/%61", "/%2fa/x"])
def test_a_protected_project_asks_everywhere(users: str, path: str) -> None:
    """Pages and static files, however the name is spelled; other projects and the index do not."""
    gate = gate_of(users, {"a"}, required=frozenset({"a"}))
    assert "a" == realm_asked(gate, path)
    assert [None] * 4 == [realm_asked(gate, other) for other in ("/", "/b/wiki", "/b/a", "/aa")]


@pytest.mark.parametrize("path", ["/", "//", "/a", "/b/wiki", "/chrome/x.css", "/login", "*"])
def test_when_all_is_protected_all_asks(users: str, path: str) -> None:
    """The index of projects too."""
    assert "*" == realm_asked(gate_of(users, {"*"}, required=frozenset({"*"})), path)
    assert "a" == realm_asked(gate_of(users, {"a"}, required=frozenset({"*"}), single_project="a"), path)


def test_what_nobody_can_sign_in_to_is_closed(users: str) -> None:
    """A project that only a proxy may open gives 403 to who comes past it, and no prompt that leads nowhere."""
    gate = gate_of(users, {"b"}, required=frozenset({"a"}), remote_user=b"remote-user")
    with pytest.raises(ClientFault) as refused:
        gate.judge(Request(b"/a/wiki"), Visitor(), NOW)
    assert 403 == refused.value.status
    assert b"ann" == gate.judge(Request(b"/a/wiki", claims=((b"remote-user", b"ann"),)), PROXY, NOW)


# -- the proxy's word


def claims(*values: bytes, name: bytes = b"remote-user") -> Request:
    """A request with these users in the proxy's field."""
    return Request(b"/a/wiki", claims=tuple((name, value) for value in values))


@pytest.mark.parametrize(
    ("request_", "visitor", "expected"),
    [
        (claims(b"ann"), PROXY, [b"ann"]),
        (claims(b"ann"), Visitor(), [b""]),
        (claims(b"ann", b"ann"), PROXY, [b"ann"]),
        (claims(b"ann", b""), PROXY, [b"ann"]),
        (claims(b"ann", b"ben"), PROXY, [400]),
        (claims(b"ann", b"ben"), Visitor(), [b""]),
        (claims(b""), PROXY, [b""]),
        (claims(b"(null)"), PROXY, [b""]),
        (claims(), PROXY, [b""]),
        (claims(b"ann", name=b"x-remote-user"), PROXY, [b""]),
        (claims("Jäsøn of the north".encode()), PROXY, [b"J%C3%A4s%C3%B8n%20of%20the%20north"]),
    ],
)
def test_whom_a_proxy_names(tmp_path: Path, request_: Request, visitor: Visitor, expected: list[Any]) -> None:
    """Only a trusted one is believed, only in its own field, and only if it names one user."""
    doorway = Doorway(tmp_path, remote_user=b"remote-user")
    assert expected == status_of(doorway.come(request_, visitor))


def test_a_proxy_without_a_name_changes_nothing(tmp_path: Path) -> None:
    """Who is named need not sign in; who is not named may, and must where that is asked."""
    doorway = Doorway(tmp_path, remote_user=b"remote-user", required=frozenset({"*"}))
    assert [b"ben"] == status_of(doorway.come(claims(b"ben"), PROXY))
    assert [401] == status_of(doorway.come(claims(b"(null)"), PROXY))
    assert [401] == status_of(doorway.come(claims(b"ben"), Visitor()))
    told = doorway.log_in("ann", "secret", PROXY)
    doorway.work()
    assert [b"ann"] == told


def test_without_the_option_no_proxy_is_believed(tmp_path: Path) -> None:
    """A trusted proxy may say where a client is, and not therefore who."""
    assert [b""] == status_of(Doorway(tmp_path).come(claims(b"ann"), PROXY))


# -- the answer, and the log


def test_the_challenge_speaks_the_file_s_language(tmp_path: Path) -> None:
    """Basic or Digest, and for a used nonce the word that lets a browser try again by itself."""
    [plain] = Doorway(tmp_path).come(Request())
    assert isinstance(plain, ClientFault)
    assert b'WWW-Authenticate: Basic realm="Trac", charset="UTF-8"\r\n' == plain.lines
    doorway = Doorway(tmp_path, "digest")
    first = digest("ann", "secret", doorway.nonce(), 1)
    assert [b"ann"] == doorway.come(Request(authorization=first))
    [stale] = doorway.come(Request(authorization=first))
    assert isinstance(stale, ClientFault)
    assert 401 == stale.status
    assert b"stale=true" in stale.lines
    assert b"\r\n" not in stale.lines.removesuffix(b"\r\n")


def test_credentials_of_another_kind_are_asked_for_anew(tmp_path: Path) -> None:
    """A token for something else is no guess at a password, and checks nothing."""
    for kind, value in (("basic", b"Bearer x"), ("basic", b"Digest a=b"), ("digest", basic("ann", "secret"))):
        doorway = Doorway(tmp_path, kind)  # type: ignore[arg-type]
        with capturedLogs() as logs:
            assert [401] * 50 == [status for _ in range(50) for status in
                                  status_of(doorway.come(Request(authorization=value)))]  # fmt: skip
        assert [] == list(logs)
        assert [] == doorway.asked


def test_a_login_is_logged_and_a_page_is_not(tmp_path: Path) -> None:
    """One line for each login, the address before the user."""
    doorway = Doorway(tmp_path, required=frozenset({"*"}))
    with capturedLogs() as logs:
        for target in (LOGIN, b"/tidewatch/wiki", LOGIN):
            doorway.log_in("ann", "secret", target=target)
            doorway.work()
    assert ["Login from 192.0.2.1 for user 'ann'"] == [formatEvent(event) for event in logs]
    assert {"ok": 1, "failed": 0} == doorway.gate.logins


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        ("eve", "'eve'"),
        ("e' from 10.9.9.9 for user 'ann", "\"e' from 10.9.9.9 for user 'ann\""),
        ("ü\u2028\u202e{user}", r"'\xfc\u2028\u202e{user}'"),
        ("x" * 5000, "'" + "x" * 100 + "...'"),
    ],
)
def test_a_failed_login_is_logged_so_that_nobody_can_forge_it(tmp_path: Path, user: str, shown: str) -> None:
    """What a client sent stands behind the address, quoted, on one line and of bounded length."""
    doorway = Doorway(tmp_path)
    told = doorway.log_in(user, "wrong", Visitor("2001:db8::1"))
    with capturedLogs() as logs:
        doorway.work()
    assert [401] == status_of(told)
    assert [f"Login failed from 2001:db8::1 for user {shown}: no such user"] == [formatEvent(one) for one in logs]
    assert {"ok": 0, "failed": 1} == doorway.gate.logins


def test_a_password_file_must_be_there_at_the_start(tmp_path: Path) -> None:
    """Nothing is served before it is known who may see it."""
    with pytest.raises(StartError, match="gone"):
        gate_of(str(tmp_path / "gone"), {"*"})


def test_a_gate_shows_its_realms(users: str) -> None:
    """Its repr tells what it guards."""
    assert "<Gate of ['*', 'a'], 0 waiting>" == repr(gate_of(users, {"a", "*"}))
