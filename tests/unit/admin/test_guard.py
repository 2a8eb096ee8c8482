"""Who may see what, and who may change anything."""

from __future__ import annotations

from base64 import b64encode

import pytest

from tracd_cluster.admin.guard import Asked, Guard

PASSWORD = b"correct horse"
SECRET = b"s" * 32


def guard(port: bool = True, password: bytes | None = PASSWORD, secret: bytes = SECRET) -> Guard:
    """Make one that knows one name."""
    return Guard(secret, lambda host: host.startswith(b"trac.example.org"), port=port, password=password)


def asked(
    path: bytes = b"/-/", method: bytes = b"GET", password: bytes | None = PASSWORD, **more: bytes | None
) -> Asked:
    """Ask, with the password unless told otherwise."""
    authorization = b"Basic " + b64encode(b"operator:" + password) if password is not None else None
    fields: dict[str, bytes | None] = {"host": b"localhost:9180", "authorization": authorization, **more}
    return Asked(method=method, path=path, **fields)


def status(guard: Guard, asked: Asked) -> int:
    """Give the status of a refusal, 0 for none."""
    refusal = guard.refuse(asked)
    return refusal.status if refusal is not None else 0


@pytest.mark.parametrize("path", [b"/-/", b"/-/metrics", b"/-/status.json", b"/-/do", b"/x"])
def test_a_password_is_needed_for_everything_but_health(path: bytes) -> None:
    """And for what is not there: nobody learns what is."""
    assert 401 == status(guard(), asked(path, password=None))
    assert 401 == status(guard(), asked(path, password=b"wrong horse"))
    assert 0 == status(guard(), asked(path))
    assert 0 == status(guard(), asked(b"/-/readyz", password=None, host=None))


def test_only_a_wrong_password_is_a_guess() -> None:
    """The first request of every browser has none."""
    none, wrong = guard().refuse(asked(password=None)), guard().refuse(asked(password=b"wrong horse"))
    assert none is not None
    assert wrong is not None
    assert (False, True) == (none.guess, wrong.guess)


@pytest.mark.parametrize("user", [b"", b"somebody", b"a b"])
def test_the_user_does_not_matter(user: bytes) -> None:
    """There is one password, and it may have colons."""
    field = b"bAsIc  " + b64encode(user + b":with:colons:in")
    assert 0 == status(guard(password=b"with:colons:in"), asked(authorization=field))


def test_a_port_without_a_password() -> None:
    """It tells of health and metrics; a browser that another site steers gets nothing."""
    open_port = guard(password=None)
    assert 0 == status(open_port, asked(b"/-/metrics", password=None))
    assert 403 == status(open_port, asked(b"/-/", password=None))
    assert 403 == status(open_port, asked(b"/-/do", b"POST", password=None, token=open_port.token().encode()))
    assert 403 == status(open_port, asked(b"/-/metrics", password=None, fetch_site=b"cross-site"))
    assert 421 == status(open_port, asked(b"/-/metrics", password=None, host=b"evil.example"))


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_metrics_that_are_open(password: bytes | None) -> None:
    """To whoever gets here, under any name; the page is not."""
    told = Guard(SECRET, lambda host: False, port=True, password=password, open_metrics=True)
    assert 0 == status(told, asked(b"/-/metrics", password=None, host=b"trac:9180"))
    assert 421 == status(told, asked(b"/-/", password=None, host=b"trac:9180"))
    assert (403 if password is None else 401) == status(told, asked(b"/-/", password=None))


def test_a_socket_needs_no_password() -> None:
    """Its mode is its guard; names and tokens count there too."""
    socket = guard(port=False, password=None)
    assert 0 == status(socket, asked(password=None))
    assert 421 == status(socket, asked(password=None, host=b"evil.example"))
    assert 403 == status(socket, asked(b"/-/do", b"POST", password=None))
    assert 0 == status(socket, asked(b"/-/do", b"POST", password=None, token=socket.token().encode()))


@pytest.mark.parametrize(
    ("host", "served"),
    [
        (b"localhost", True), (b"LocalHost:1", True), (b"127.0.0.1:9180", True), (b"[::1]:9180", True),
        (b"10.1.2.3", True), (b"trac.example.org:9180", True), (None, False), (b"", False), (b"evil.example", False),
        (b"localhost.evil.example", False), (b"127.0.0.1.evil.example", False), (b"[::1", True), (b"[x]", False),
        (b"\xff", False),
    ],
)  # fmt: skip
def test_hosts(host: bytes | None, served: bool) -> None:
    """Addresses, this host, and names that are known."""
    assert (0 if served else 421) == status(guard(), asked(host=host))


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({}, 0),
        ({"origin": b"http://localhost:9180", "fetch_site": b"same-origin"}, 0),
        ({"origin": b"https://localhost:9180"}, 0),  # a proxy with TLS before us
        ({"origin": b"http://localhost:9181"}, 403),
        ({"origin": b"null"}, 403),
        ({"origin": b""}, 403),
        ({"fetch_site": b"same-site"}, 403),
        ({"fetch_site": b"none"}, 403),
        ({"fetch_site": b""}, 403),
        ({"token": None}, 403),
        ({"token": b""}, 403),
        ({"token": b"\xff"}, 403),
    ],
)  # fmt: skip
def test_a_change_comes_from_our_page(fields: dict[str, bytes | None], refused: int) -> None:
    """With its token, and from no other site, as far as the browser says."""
    ours = guard()
    token = {"token": ours.token().encode()}
    assert refused == status(ours, asked(b"/-/do", b"POST", **(token | fields)))


def test_a_token_is_for_one_process_and_one_password() -> None:
    """What was read before a change of either is worth nothing."""
    tokens = {guard().token(), guard(secret=b"t" * 32).token(), guard(password=b"another horse").token()}
    assert 3 == len(tokens)
    assert guard().token() == guard().token()
