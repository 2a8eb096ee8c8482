"""Requests off a lane become the WSGI environments that Trac expects."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.settings.pool import ProjectSettings
from tracd_cluster.tracd import wsgi
from tracd_cluster.tracd.wsgi import (
    BODY_IN_MEMORY,
    FileWrapper,
    LaneClosed,
    MalformedRequest,
    RequestReader,
    constant_environ,
)

SERVER = b"Tracd-Cluster-Server: http localhost 8000\r\nTracd-Cluster-Client: 127.0.0.1 51234\r\n"
SINGLE = ProjectSettings(env_paths=("/srv/x",), single_env=True)


def lane(data: bytes, *cuts: int) -> Callable[[int], bytes]:
    """Receive ``data`` in pieces that end at ``cuts``, then the end."""
    edges = [0, *sorted(cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges) if end > start]

    def receive(size: int) -> bytes:
        if not pieces:
            return b""
        piece = pieces.pop(0)
        if len(piece) > size:
            pieces.insert(0, piece[size:])
        return piece[:size]

    return receive


def reader(data: bytes, *cuts: int, base_path: str = "", projects: ProjectSettings = SINGLE) -> RequestReader:
    """Read requests from these bytes."""
    return RequestReader(lane(data, *cuts), constant_environ(projects, 1, base_path))


def read(data: bytes, *cuts: int, **options: Any) -> dict[str, Any]:
    """Give the first request among these bytes."""
    environ = reader(data, *cuts, **options).read()
    assert environ is not None
    return environ


def get(target: str = "/wiki", *fields: str, **options: Any) -> dict[str, Any]:
    """Give a GET with these fields."""
    lines = "".join(f"{field}\r\n" for field in fields)
    return read(f"GET {target} HTTP/1.1\r\n".encode() + SERVER + f"{lines}\r\n".encode("latin-1"), **options)


def test_a_request_has_all_that_pep_3333_asks_for() -> None:
    """Any WSGI application can be served."""
    environ = get("/wiki/Start?a=1&b=%20", "Host: trac.example:8000", "User-Agent: test")
    assert isinstance(environ.pop("wsgi.input"), io.BytesIO)
    assert environ.pop("wsgi.errors") is not None
    assert {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/wiki/Start",
        "QUERY_STRING": "a=1&b=%20",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "51234",
        "HTTP_HOST": "trac.example:8000",
        "HTTP_USER_AGENT": "test",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "trac.env_path": "/srv/x",
        "trac.env_parent_dir": None,
        "trac.env_paths": [],
    } == environ


def test_https_is_told_in_both_ways() -> None:
    """Links point to https, and cookies can be marked secure."""
    environ = read(b"GET / HTTP/1.1\r\nTracd-Cluster-Server: https trac.example 443\r\n\r\n")
    assert ("https", "on", "443") == (environ["wsgi.url_scheme"], environ["HTTPS"], environ["SERVER_PORT"])


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/a%20b", "/a b"),
        ("/%C3%A9", "/\xc3\xa9"),
        ("/\xe9", "/\xe9"),
        ("/100%", "/100%"),
        ("/a%2Fb?x=%2F", "/a/b"),
        ("/a//b/", "/a//b/"),
    ],
)
def test_the_path_is_decoded_to_bytes_as_characters(target: str, path: str) -> None:
    """Trac decodes UTF-8 from PATH_INFO as PEP 3333 has it."""
    assert path == read(f"GET {target} HTTP/1.1\r\n".encode("latin-1") + SERVER + b"\r\n")["PATH_INFO"]


@pytest.mark.parametrize(
    ("target", "path"), [("/trac/x", "/wiki"), ("/trac/x/", "/wiki/"), ("/tr%61c/x", "/wiki"), ("/trac/x", "")]
)
def test_the_base_path_moves_to_script_name(target: str, path: str) -> None:
    """Trac makes links that begin with the base path."""
    environ = get(target.rstrip("/") + path, base_path="/trac/x")
    assert ("/trac/x", path) == (environ["SCRIPT_NAME"], environ["PATH_INFO"])


def test_repeated_fields_are_joined() -> None:
    """No field is lost: lists with a comma as in tracd, cookies so that they stay cookies."""
    environ = get("/", "Accept: a", "Cookie: a=1", "accept: b", "Cookie: b=2", "X-Empty:", "X-Space: \t v \t ")
    assert ("a,b", "a=1; b=2") == (environ["HTTP_ACCEPT"], environ["HTTP_COOKIE"])
    assert ("", "v") == (environ["HTTP_X_EMPTY"], environ["HTTP_X_SPACE"])


def test_a_date_counts_only_where_no_better_condition_is() -> None:
    """RFC 9110 section 13.2.2; of Trac's files only the date would be heard (the front looks after the others)."""
    date = "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"
    assert "HTTP_IF_MODIFIED_SINCE" in get("/", date)
    for better in ('If-None-Match: "x"', "If-Match: *", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT"):
        assert "HTTP_IF_MODIFIED_SINCE" not in get("/", date, better)
        assert "HTTP_IF_MODIFIED_SINCE" not in get("/", better, date)


def test_header_bytes_beyond_ascii_survive() -> None:
    """A value is what the client sent, byte for byte, its no-break space included."""
    environ = get("/", "X-Name: \xa0Ren\xe9\xa0")
    assert "\xa0Ren\xe9\xa0" == environ["HTTP_X_NAME"]


@pytest.mark.parametrize(
    "field",
    [
        "Remote_User: root",
        "HTTP_HOST: evil",
        "tracd-cluster-user: root",
        "Tracd_Cluster_User: root",
        "TRACD-CLUSTER-CLIENT: 6.6.6.6 1",
        "Content_Length: 5",
    ],
)
def test_no_name_passes_for_another(field: str) -> None:
    """Nobody becomes somebody else by a spelling, even if the front let it through."""
    plain = get("/", "Host: good")
    environ = get("/", "Host: good", field)
    for one in (plain, environ):
        del one["wsgi.input"]
    assert plain == environ


def test_what_the_front_says_first_counts() -> None:
    """A second field of the front's own name cannot replace the first."""
    environ = get("/", "Tracd-Cluster-User: alice", "Tracd-Cluster-User: root", "Tracd-Cluster-Client: 6.6.6.6 1")
    assert ("alice", "127.0.0.1") == (environ["REMOTE_USER"], environ["REMOTE_ADDR"])


@pytest.mark.parametrize(
    ("sent", "user"), [("alice%20b", "alice b"), ("Ren%C3%A9", "René"), ("a%2Cb", "a,b"), ("%FF", "\ufffd")]
)
def test_the_user_is_decoded(sent: str, user: str) -> None:
    """People with any name can log in."""
    assert user == get("/", f"Tracd-Cluster-User: {sent}")["REMOTE_USER"]


def test_nobody_is_nobody() -> None:
    """Without the front's word there is no REMOTE_USER at all."""
    assert "REMOTE_USER" not in get("/", "Remote-User: root", "Authorization: Basic cm9vdDo=")


def test_a_client_of_a_unix_socket_has_no_address() -> None:
    """A client that connects without an address does not confuse the fields."""
    environ = read(b"GET / HTTP/1.1\r\nTracd-Cluster-Server: http - 80\r\nTracd-Cluster-Client: ::1 0\r\n\r\n")
    assert ("::1", "0") == (environ["REMOTE_ADDR"], environ["REMOTE_PORT"])


def test_a_probe_is_told_from_a_request() -> None:
    """The worker answers probes itself; a client's OPTIONS * goes to the application."""
    assert "SERVER_NAME" not in read(b"OPTIONS * HTTP/1.1\r\n\r\n")
    asked = read(b"OPTIONS * HTTP/1.1\r\n" + SERVER + b"\r\n")
    assert ("*", "localhost") == (asked["PATH_INFO"], asked["SERVER_NAME"])


@pytest.mark.parametrize("head", [b"GET /\r\n\r\n", b"\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_bytes_the_front_never_writes_are_not_served(head: bytes) -> None:
    """Two ends that are out of step stop instead of mixing up people's requests."""
    with pytest.raises(MalformedRequest):
        reader(head).read()


def test_the_end_between_requests_is_an_end_and_within_one_is_a_loss() -> None:
    """A front that goes away is noticed either way."""
    assert reader(b"").read() is None
    with pytest.raises(LaneClosed):
        reader(b"GET / HT").read()
    with pytest.raises(LaneClosed):
        reader(b"POST / HTTP/1.1\r\n" + SERVER + b"Content-Length: 5\r\n\r\nabc").read()


def test_a_body_has_exact_length_and_then_an_end() -> None:
    """An application that reads to the end of its input neither waits for ever nor reads the next request."""
    data = (
        b"POST / HTTP/1.1\r\n" + SERVER + b"Content-Type: text/x\r\nContent-Length: 5\r\n\r\nab\ncdGET /n HTTP/1.1\r\n"
    )
    requests = reader(data + SERVER + b"\r\n")
    first = requests.read()
    assert first is not None
    assert ("5", "text/x") == (first["CONTENT_LENGTH"], first["CONTENT_TYPE"])
    assert "HTTP_CONTENT_LENGTH" not in first
    assert [b"ab\n", b"cd", b""] == [first["wsgi.input"].readline() for _ in range(3)]
    requests.drain()
    second = requests.read()
    assert second is not None
    assert "/n" == second["PATH_INFO"]
    assert "CONTENT_LENGTH" not in second
    assert b"" == second["wsgi.input"].read()


@pytest.mark.parametrize("used", [0, 1, 70_000, 150_000])
@pytest.mark.parametrize("cut", [100, 300, 90_000])
def test_a_long_body_is_read_as_asked_for_and_drained(used: int, cut: int) -> None:
    """The lane is in step after an upload, however much of it the application wanted."""
    body = bytes(range(256)) * 600
    assert len(body) > BODY_IN_MEMORY
    head = b"POST /upload HTTP/1.1\r\n" + SERVER + b"Content-Length: %d\r\n\r\n" % len(body)
    requests = reader(head + body + b"GET /next HTTP/1.1\r\n" + SERVER + b"\r\n", cut)
    upload = requests.read()
    assert upload is not None
    assert body[:used] == upload["wsgi.input"].read(used)
    if used == 1:
        upload["wsgi.input"].close()
    requests.drain()
    after = requests.read()
    assert after is not None
    assert "/next" == after["PATH_INFO"]


def test_a_long_body_ends() -> None:
    """Reading beyond the end of an upload gives nothing."""
    body = b"x" * (BODY_IN_MEMORY + 1)
    stream = read(b"POST / HTTP/1.1\r\n" + SERVER + b"Content-Length: %d\r\n\r\n" % len(body) + body + b"more")[
        "wsgi.input"
    ]
    assert body == stream.read()
    assert b"" == stream.read()
    assert b"" == stream.read(10)


def test_a_long_body_that_breaks_off_is_a_lost_client() -> None:
    """Trac sees a client that went away, and stores no half file."""
    stream = read(b"POST / HTTP/1.1\r\n" + SERVER + b"Content-Length: 99999\r\n\r\nabc")["wsgi.input"]
    with pytest.raises(ConnectionError):
        stream.read()


NAMES = st.sampled_from(["Host", "Cookie", "Accept", "X-Some-Thing", "Content-Type", "If-None-Match"])
VALUES = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=12).map(
    lambda v: v.strip(" \t")
)


@given(
    st.sampled_from(["GET", "POST", "HEAD", "PROPFIND"]),
    st.text("abc/%2F?&=\xe9", max_size=10),
    st.lists(st.tuples(NAMES, VALUES), max_size=6),
    st.sampled_from([None, 1, 40, BODY_IN_MEMORY + 10]),
    st.data(),
)
def test_any_split_of_the_bytes_reads_the_same(
    method: str, path: str, fields: list[tuple[str, str]], length: int | None, data: st.DataObject
) -> None:
    """How the kernel cuts the stream changes nothing."""
    lines = [f"{method} /{path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    lines += [] if length is None else [f"Content-Length: {length}"]
    head = "\r\n".join([lines[0], SERVER.decode().strip(), *lines[1:]]).encode("latin-1") + b"\r\n\r\n"
    body = b"b" * (length or 0)
    edge = len(head) + 5
    cuts = data.draw(st.lists(st.integers(1, edge), max_size=6))

    def content(*cuts: int) -> Iterator[object]:
        requests = reader((head + body) * 2, *cuts)
        while (environ := requests.read()) is not None:
            yield environ.pop("wsgi.input").read()
            yield environ
            requests.drain()

    whole = list(content())
    assert 4 == len(whole)
    assert whole == list(content(*cuts))


def test_odd_names_are_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of invented header names does not fill the memory."""
    monkeypatch.setattr(wsgi, "_keys", dict(wsgi._keys))
    for number in range(2000):
        assert "v" == get("/", f"X-Odd-{number}: v")[f"HTTP_X_ODD_{number}"]
    assert wsgi._KEYS_LIMIT >= len(wsgi._keys)


def test_trac_gets_its_projects_as_from_tracd() -> None:
    """Each way to name environments leads to the keys that Trac's dispatcher reads."""
    several = constant_environ(ProjectSettings(env_paths=("/a", "/b")), 1, "")
    parent = constant_environ(ProjectSettings(env_paths=("/a",), env_parent_dir="/srv"), 2, "")
    assert (None, None, ["/a", "/b"]) == tuple(
        several[f"trac.{k}"] for k in ("env_path", "env_parent_dir", "env_paths")
    )
    assert (None, "/srv", []) == tuple(parent[f"trac.{k}"] for k in ("env_path", "env_parent_dir", "env_paths"))
    assert (False, True) == (several["wsgi.multithread"], parent["wsgi.multithread"])
    assert not [key for key in constant_environ(None, 1, "/x") if key.startswith("trac.")]


def test_each_request_has_a_list_of_projects_of_its_own() -> None:
    """Trac appends to the list; the next request must not see that."""
    requests = reader((b"GET / HTTP/1.1\r\n" + SERVER + b"\r\n") * 2, projects=ProjectSettings(env_parent_dir="/srv"))
    first, second = requests.read(), requests.read()
    assert first is not None
    assert second is not None
    first["trac.env_paths"].append("/srv/a")
    assert [] == second["trac.env_paths"]


def test_a_file_comes_in_large_blocks_and_is_closed() -> None:
    """A download is not cut into the small blocks that Trac asks for."""
    file = io.BytesIO(b"x" * 100_000)
    wrapper = FileWrapper(file, 4096)
    assert [65536, 34464] == [len(block) for block in wrapper]
    wrapper.close()
    assert file.closed
