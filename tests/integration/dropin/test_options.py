"""The options of tracd that say what is served and how, each with what a client sees of it."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from tests.integration.dropin.accounts import basic, htpasswd
from tests.integration.dropin.conftest import MakeProject, StartServer
from tests.integration.dropin.server import OURS, TRACD, Server, ours_only, run
from tests.processes import free_port, wait_until

INDEX_ENTRY = re.compile(r'href="/([^"/]+)"')


def index_of(server: Server) -> list[str]:
    """Give the projects of the index page, in its order."""
    reply = server.get("/")
    assert 200 == reply.status
    return INDEX_ENTRY.findall(reply.text)


# -- one environment at the root: -s, -p, -b, -q, --http11, abbreviations, options after environments


@pytest.fixture(scope="module")
def single(program: str, module_project: MakeProject, start_module: StartServer) -> Server:
    """A server with one project at its root, by a command line that makes use of argparse's freedoms."""
    port = free_port()
    arguments = [
        str(module_project(f"{program}/one")),
        "--single",
        "--host",
        "127.0.0.1",
        "-q",
        "--po",
        str(port),
        "--http11",
    ]
    return start_module(program, *arguments, port=port, path="/wiki")


def test_a_single_environment_is_at_the_root(single: Server) -> None:
    """With -s there is no index: the pages of the project stand at the root; -p and -b say where."""
    front_page = single.get("/")
    assert (200, 200) == (front_page.status, single.get("/wiki").status)
    assert 'href="/chrome/common/css/trac.css"' in front_page.text
    assert 'href="/newticket"' in front_page.text
    assert "Path=/" in single.get("/newticket").cookie("trac_form_token")


def test_http_1_1_keeps_connections(single: Server) -> None:
    """--http11, the default, serves one request after the other on one connection."""
    with contextlib.closing(single.connect()) as connection:
        sockets = set()
        for path in ("/about", "/chrome/common/css/trac.css", "/wiki"):
            connection.request("GET", path)
            answer = connection.getresponse()
            assert (200, 11) == (answer.status, answer.version)
            answer.read()
            sockets.add(connection.sock)
        assert 1 == len(sockets)
        assert None not in sockets


def test_only_the_address_of_b_is_listened_on(single: Server) -> None:
    """With -b 127.0.0.1 nobody answers at another address of the machine."""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", single.port), timeout=10)


# -- several environments, and one without -s


def test_several_environments(project: MakeProject, start: StartServer, program: str, tmp_path: Path) -> None:
    """Environments are served by their basenames, the first of two equal ones.

    Trac's variables count: the template of the index, values for it, and the host that redirects lead to.
    """
    one, two, other = project("one"), project("two"), project("elsewhere/one")
    for path, name in ((one, "The first"), (other, "The second")):
        ini = path / "conf" / "trac.ini"
        ini.write_text(re.sub(r"(?m)^name = .*$", f"name = {name}", ini.read_text()))
    template = tmp_path / "our_index.html"
    lines = ["<html><body>${colour}", "# for project in projects:", "<p>${project.name}</p>", "# endfor"]
    template.write_text("\n".join([*lines, "</body></html>"]))
    variables = {
        "TRAC_ENV_INDEX_TEMPLATE": str(template),
        "TRAC_TEMPLATE_VARS": "colour=vermilion,smell=tar",
        "TRAC_BASE_URL": "https://trac.example.org",
    }
    server = start(program, "--http11", str(one), str(two), str(other), environment=variables)
    index = server.get("/").text
    assert "vermilion" in index
    assert "The first" in index
    assert "The second" not in index
    assert "The first" in server.get("/one/wiki").text
    assert 200 == server.get("/two/wiki").status
    assert 404 == server.get("/three/wiki").status
    assert "https://trac.example.org/two/wiki" == server.get("/two/wiki/").headers["Location"]


def test_one_environment_without_s(project: MakeProject, start: StartServer, program: str) -> None:
    """One environment is a project like others: an index at the root, its pages below its name.

    With --http10, each connection ends after its answer.
    """
    server = start(program, str(project("one")), "--http10")
    assert ["one"] == index_of(server)
    assert 200 == server.get("/one/wiki").status
    assert "Path=/one" in server.get("/one/newticket").cookie("trac_form_token")
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(b"GET /one/about HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.split(b" ", 2)[1] == b"200"
    assert answer.rstrip().endswith(b"</html>")


# -- a folder of environments below a base path: -e, --base-path


@pytest.fixture(scope="module")
def folder(module_project: MakeProject) -> Path:
    """A folder with two projects, and one that its .tracignore hides."""
    parent = module_project("parent/one").parent
    module_project("parent/two")
    module_project("parent/hidden-three")
    (parent / ".tracignore").write_text("# not for everybody\nhidden-*\n")
    return parent


@pytest.fixture(scope="module")
def parent(program: str, folder: Path, start_module: StartServer) -> Server:
    """A server of that folder, with one project that one can log in to."""
    entry = f"two,{htpasswd(folder / 'users', {'admin': 'harbour'})},realm"
    return start_module(program, "--base=/trac/x/", "-e", str(folder), "--basic-auth", entry, path="/trac/x/")


def test_a_folder_of_environments(parent: Server, folder: Path) -> None:
    """With -e, the index has the folder's projects but for those its .tracignore names, and new ones at once.

    Whoever knows the name of a hidden project gets its pages.
    """
    names = re.compile(r'href="/trac/x/([^"/]+)"')
    assert ["one", "two"] == sorted(names.findall(parent.get("/trac/x/").text))
    assert 200 == parent.get("/trac/x/hidden-three/wiki").status
    assert 404 == parent.get("/trac/x/five/wiki").status
    shutil.copytree(folder / "two", folder / "five")
    try:
        wait_until(lambda: parent.get("/trac/x/five/wiki").status == 200, 10, "the new project")
        assert "five" in names.findall(parent.get("/trac/x/").text)
    finally:
        shutil.rmtree(folder / "five")


def test_base_path(parent: Server) -> None:
    """Links, redirects and cookies of a project start with the base path; the login of a project is below it."""
    page = parent.get("/trac/x/two/newticket")
    assert 200 == page.status
    assert 'href="/trac/x/two/chrome/common/css/trac.css"' in page.text
    assert 200 == parent.get("/trac/x/two/chrome/common/css/trac.css").status
    assert "Path=/trac/x/two" in page.cookie("trac_form_token")
    assert f"{parent.url}/trac/x/two/wiki" == parent.get("/trac/x/two/wiki/").headers["Location"]
    assert 401 == parent.get("/trac/x/two/login").status
    reply = parent.get("/trac/x/two/login", basic("admin", "harbour"))
    assert f"{parent.url}/trac/x/two" == reply.headers["Location"]
    assert "Path=/trac/x/two" in reply.cookie("trac_auth")
    assert 401 != parent.get("/trac/x/one/login").status


def test_outside_the_base_path(parent: Server) -> None:
    """Ours knows no page outside the base path; tracd cuts as many characters off any path, and serves the rest.

    The base path without the slash at its end is redirected by ours.
    """
    outside, bare = {TRACD: (200, 200), OURS: (404, 308)}[parent.program]
    assert outside == parent.get("/abcd/e/two/wiki").status
    assert bare == parent.get("/trac/x").status


# -- addresses and protocols


@pytest.mark.needs("IPv6")
@ours_only
def test_ipv6(program: str, start: StartServer, project: MakeProject) -> None:
    """-b takes an IPv6 address; tracd ends, because its socket is one for IPv4."""
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        port = int(probe.getsockname()[1])
    server = start(program, "-s", "-b", "::1", "-p", str(port), str(project("one")), port=port, path="")
    wait_until(lambda: f"Serving on http://[::1]:{port}/" in server.stdout, 20, "the start")
    with socket.create_connection(("::1", port), timeout=30) as client:
        client.sendall(b"GET /about HTTP/1.0\r\n\r\n")
        assert client.recv(65536).split(b" ", 2)[1] == b"200"


# tracd's needs ssl.wrap_socket, which Python 3.12 has no more.
@pytest.mark.parametrize("program", [OURS, *([TRACD] if hasattr(ssl, "wrap_socket") else [])], scope="module")
@pytest.mark.parametrize("files", ["two", "one"])
def test_https(program: str, files: str, start: StartServer, project: MakeProject, tmp_path: Path) -> None:
    """--protocol https takes certificate and key from two files, or from one without --keyfile."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    pem, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    if files == "one":
        certificate.private_key_and_cert_chain_pem.write_to_path(str(pem))
        options = ["--certfile", str(pem)]
    else:
        certificate.private_key_pem.write_to_path(str(key))
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(str(pem), append=True)
        options = ["--certfile", str(pem), "--keyfile", str(key)]
    trusted = authority.cert_pem.bytes().decode()
    server = start(
        program, "--protocol", "https", *options, "-s", str(project("one")), authority=trusted, path="/wiki"
    )
    assert f"Serving on https://127.0.0.1:{server.port}/" in server.stdout.splitlines()
    assert f"{server.url}/wiki" == server.get("/wiki/").headers["Location"]


@pytest.mark.parametrize("protocol", ["scgi", "ajp", "fcgi"])
def test_protocols_of_flup(program: str, protocol: str, tmp_path: Path) -> None:
    """The three protocols that tracd leaves to flup, which it does not bring, are refused with a clear word."""
    ended = run(program, "--protocol", protocol, "-p", str(free_port()), "-b", "127.0.0.1", str(tmp_path))
    assert {TRACD: 1, OURS: 2}[program] == ended.returncode
    assert protocol in ended.stderr
    assert "Traceback" not in ended.stderr
