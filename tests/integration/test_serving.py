"""Real Trac through the real front: pages, forms, files, projects, addresses."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.cluster import Answer, ClusterProcess
from tests.integration.conftest import CopyEnvironment, StartCluster
from tests.integration.load import TOKEN
from tests.processes import free_port, wait_until


@pytest.fixture(scope="module")
def cluster(module_env: Path, start_module_cluster: StartCluster) -> ClusterProcess:
    """A service that the tests of this module share."""
    ini = module_env / "conf" / "trac.ini"
    text = re.sub(r"(?m)^max_size = .*\n", "", ini.read_text())
    head, section, rest = text.partition("[attachment]\n")
    ini.write_text(f"{head}[attachment]\nmax_size = 100000000\n{rest}")
    assert section or "[attachment]" not in text
    return start_module_cluster("-s", str(module_env), "--workers", "2")


@pytest.mark.parametrize(
    "path",
    [
        "/", "/wiki", "/wiki/TitleIndex", "/ticket/1", "/newticket", "/report", "/report/1", "/query", "/timeline",
        "/roadmap", "/browser", "/search?q=the", "/about", "/prefs", "/chrome/common/css/trac.css",
    ],
)  # fmt: skip
def test_pages(cluster: ClusterProcess, path: str) -> None:
    """Every kind of page arrives whole, with its length."""
    answer = cluster.get(path)
    assert 200 == answer.status
    assert str(len(answer.body)) == answer.headers["content-length"]
    assert b"</html>" in answer.body or path.startswith("/chrome")


def test_head_and_revalidation(cluster: ClusterProcess) -> None:
    """HEAD has no body, an unchanged file is not sent again, and the connection stays in step."""
    connection = http.client.HTTPConnection("127.0.0.1", cluster.port, timeout=20)
    for method, path, status in (
        ("HEAD", "/wiki", 200),
        ("HEAD", "/chrome/common/css/trac.css", 200),
        ("HEAD", "/nothing", 404),
        ("GET", "/about", 200),
    ):
        connection.request(method, path)
        answer = connection.getresponse()
        assert (status, method == "GET") == (answer.status, bool(answer.read())), path
    connection.request("GET", "/chrome/common/css/trac.css")
    answer = connection.getresponse()
    answer.read()
    connection.request(
        "GET", "/chrome/common/css/trac.css", headers={"If-Modified-Since": answer.headers["Last-Modified"]}
    )
    assert (304, b"") == (connection.getresponse().status, b"")
    connection.close()


def test_links_and_redirects_have_the_address_the_client_used(cluster: ClusterProcess) -> None:
    """Trac knows the host the client asked for, and does not believe what only a proxy may say."""
    answer = cluster.get(
        "/login", {"Host": "trac.example.org:8080", "X-Forwarded-Proto": "https", "X_Forwarded_Proto": "https"}
    )
    answer = cluster.get(
        "/wiki/", {"Host": "trac.example.org:8080", "X-Forwarded-Proto": "https", "X_Forwarded_Proto": "https"}
    )
    assert "http://trac.example.org:8080/wiki" == answer.headers["location"]


def post_form(cluster: ClusterProcess, path: str, fields: dict[str, str], name: str, content: bytes) -> Answer:
    """Send a form with a file, as a browser does."""
    page = cluster.get(path)
    token = TOKEN.search(page.body)
    assert token is not None
    boundary = "a-boundary-nobody-else-has"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in {**fields, "__FORM_TOKEN": token[1].decode()}.items()
    ]
    file = f'--{boundary}\r\nContent-Disposition: form-data; name="attachment"; filename="{name}"\r\n\r\n'
    body = b"".join([*parts, file.encode(), content, f"\r\n--{boundary}--\r\n".encode()])
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Cookie": f"trac_form_token={token[1].decode()}",
    }
    return cluster.request("POST", path, body, headers)


def test_an_upload_of_50_mb_arrives_as_it_was_sent(cluster: ClusterProcess) -> None:
    """A large attachment goes through the front's file into Trac and comes back byte for byte."""
    content = os.urandom(1 << 20) * 50
    fields = {"action": "new", "realm": "ticket", "id": "1", "description": "large"}
    answer = post_form(cluster, "/attachment/ticket/1/?action=new", fields, "large.bin", content)
    assert 303 == answer.status
    back = cluster.get("/raw-attachment/ticket/1/large.bin")
    assert hashlib.sha256(content).digest() == hashlib.sha256(back.body).digest()


def test_two_hundred_clients_at_once(cluster: ClusterProcess) -> None:
    """Two hundred browsers with kept connections all get all their pages."""
    connections = [http.client.HTTPConnection("127.0.0.1", cluster.port, timeout=60) for _ in range(200)]

    def visit(connection: http.client.HTTPConnection) -> list[int]:
        statuses = []
        for path in ("/chrome/common/css/trac.css", "/about", "/chrome/common/trac_logo_mini.png"):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        return statuses

    with ThreadPoolExecutor(200) as pool, contextlib.ExitStack() as closing:
        for connection in connections:
            closing.callback(connection.close)
        assert [[200, 200, 200]] * 200 == list(pool.map(visit, connections))


def test_an_old_client(cluster: ClusterProcess) -> None:
    """HTTP/1.0 without a Host gets its page and the end of the connection."""
    with socket.create_connection(("127.0.0.1", cluster.port), timeout=20) as client:
        client.sendall(b"GET /about HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.rstrip().endswith(b"</html>")


@pytest.mark.needs("curl")
def test_curl_uploads_in_chunks_and_expects_leave(cluster: ClusterProcess) -> None:
    """A chunked upload that waits for 100 Continue reaches Trac, which finds no form token in it."""
    command = [
        "curl",
        "-sS",
        "-o",
        os.devnull,
        "-w",
        "%{http_code}",
        "--data-binary",
        "@-",
        "-H",
        "Transfer-Encoding: chunked",
    ]
    asked = subprocess.run(
        [*command, "-H", "Expect: 100-continue", f"{cluster.url}/newticket"], input=b"x" * 300_000,
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    assert b"400" == asked.stdout


def test_projects_and_their_index(copy_env: CopyEnvironment, start_cluster: StartCluster) -> None:
    """Several environments are served by their names, with an index at the root, below the base path."""
    one, two = copy_env("one"), copy_env("two")
    for options in (["-e", str(one.parent)], [str(one), str(two)]):
        cluster = start_cluster(*options, "--workers", "1", "--base-path", "/trac", wait=False)
        cluster.wait_until_serving("/trac")
        index = cluster.get("/trac/").body
        assert b'href="/trac/one"' in index
        assert b'href="/trac/two"' in index
        page = cluster.get("/trac/two/wiki")
        assert 200 == page.status
        assert b'href="/trac/two/chrome/common/css/trac.css"' in page.body
        assert "Path=/trac/two" in page.headers["set-cookie"]
        assert 404 == cluster.get("/trac/three/wiki").status
        assert 404 == cluster.get("/one/wiki").status
        assert 404 == cluster.get("/tracer").status
        cluster.stop()


@pytest.mark.needs("curl")
def test_other_addresses(env: Path, start_cluster: StartCluster, tmp_path: Path) -> None:
    """A Unix socket, IPv6 and an endpoint of Twisted's are served beside each other."""
    extra = free_port()
    unix = str(tmp_path / "s")
    addresses = ["-b", f"unix:{unix}", "--listen", f"tcp:{extra}:interface=127.0.0.2"]
    with socket.socket(socket.AF_INET6) as probe, contextlib.suppress(OSError):
        probe.bind(("::1", 0))
        addresses += ["-b", "::1"]
    cluster = start_cluster("-s", str(env), "--workers", "1", *addresses)
    asked = [["--unix-socket", unix, "http://x/about"], [f"http://127.0.0.2:{extra}/about"]]
    if "::1" in addresses:
        asked.append([f"http://[::1]:{cluster.port}/about"])
    for question in asked:
        command = ["curl", "-sS", "-o", os.devnull, "-w", "%{http_code}", *question]
        assert b"200" == subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
    cluster.stop()
    assert not os.path.exists(unix)


def test_a_new_project_is_served_without_a_restart(copy_env: CopyEnvironment, start_cluster: StartCluster) -> None:
    """With -e, a project that appears in the folder is there at once, as with tracd."""
    one = copy_env("one")
    cluster = start_cluster("-e", str(one.parent), "--workers", "1")
    assert 404 == cluster.get("/two/wiki").status
    copy_env("two")
    wait_until(lambda: cluster.get("/two/wiki").status == 200, 10, "the new project")
