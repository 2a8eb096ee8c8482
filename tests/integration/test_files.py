"""Files as clients get them: Trac's own, the site's, attachments; whole, in parts, or not any more."""

from __future__ import annotations

import email
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.certificates import ca_file, chain_of, issue, key_of, put
from tests.integration.cluster import ClusterProcess
from tests.integration.conftest import StartCluster
from tests.integration.downloads import Download
from tests.integration.foreign import Teller
from tests.processes import free_port, wait_until

SIZE = 5_000_000
LARGE = 30_000_000
"""More than the kernel keeps on the way."""
CSS = "/chrome/common/css/trac.css"
BIG = "/chrome/site/big.bin"
ATTACHMENT = "/raw-attachment/ticket/1/depths.bin"


def noise(size: int, seed: int) -> bytes:
    """Make bytes that are the same each time and nowhere alike."""
    return random.Random(seed).randbytes(size)


class Site:
    """A service over plain HTTP and HTTPS with files in it."""

    def __init__(self, start: StartCluster, env: Path, folder: Path) -> None:
        self.htdocs = env / "htdocs"
        self.depths = noise(SIZE, 1)
        path = folder / "depths.bin"
        path.write_bytes(self.depths)
        admin = Path(sys.executable).with_name("trac-admin")
        for arguments in (
            ("attachment", "add", "ticket:1", str(path)),
            ("permission", "remove", "anonymous", "TICKET_VIEW"),
        ):
            subprocess.run([admin, env, *arguments], check=True, capture_output=True, timeout=60)
        leaf = issue("localhost")
        pair = ["--certfile", str(put(folder / "a.pem", chain_of(leaf)))]
        pair += ["--keyfile", str(put(folder / "a.key", key_of(leaf)))]
        self.ca = ca_file(folder)
        self.https_port = free_port()
        passwords = ["--basic-auth", f"*,{env / 'users.htpasswd'},harbour"]
        self.cluster = start("--https-port", str(self.https_port), *pair, *passwords, "--workers", "1", "-s", str(env))

        jar = str(folder / "cookies")
        self.admin = ("-b", jar)
        """What makes curl somebody who may see everything."""
        self.curl("/login", "-u", "admin:harbour", "-c", jar)

    def put(self, name: str, data: bytes) -> Path:
        """Put a file among the site's."""
        path = self.htdocs / name
        path.write_bytes(data)
        return path

    def download(self, path: str, *lines: str, secure: bool = False, method: str = "GET") -> Download:
        """Begin to download."""
        if secure:
            return Download(self.https_port, path, *lines, ca=self.ca, method=method)
        return Download(self.cluster.port, path, *lines, method=method)

    def descriptors(self) -> list[str]:
        """Give the regular files below htdocs that the front has open."""
        return [each.path for each in psutil.Process(self.cluster.front_pid).open_files() if "htdocs" in each.path]

    def curl(self, path: str, *options: str) -> tuple[str, bytes]:
        """Get a page with curl: its head, and its body."""
        command = ["curl", "-sS", "--max-time", "20", "-D", "-", *options, self.cluster.url + path]
        found = subprocess.run(command, capture_output=True, timeout=30, check=True).stdout
        head, _, body = found.partition(b"\r\n\r\n")
        return head.decode("latin-1"), body


@pytest.fixture(scope="module")
def site(
    start_module_cluster: StartCluster, module_env: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A service that the tests share; none of them may have left a file open in it."""
    site = Site(start_module_cluster, module_env, tmp_path_factory.mktemp("files"))
    yield site
    wait_until(lambda: not site.descriptors(), 10, "the end of all files")


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def secure(request: pytest.FixtureRequest) -> bool:
    """Whether to come by HTTPS."""
    found: bool = request.param
    return found


# -- whole


def test_tracs_own_files_come_whole_with_all_that_caches_want(site: Site, secure: bool) -> None:
    """What Trac says of them stays, and an entity tag is added."""
    with site.download(CSS, secure=secure) as css:
        body = css.body()
    import trac

    assert (Path(trac.__file__).parent / "htdocs" / "css" / "trac.css").read_bytes() == body
    assert "text/css" in css.headers["content-type"]
    assert "bytes" == css.headers["accept-ranges"]
    assert css.headers["etag"].startswith('"')
    assert "last-modified" in css.headers
    assert not [name for name in css.headers if name.startswith("tracd-cluster")]


def test_large_files_come_whole_and_the_connection_goes_on(site: Site, secure: bool) -> None:
    """One after another, and a page behind them."""
    data = noise(LARGE, 2)
    site.put("big.bin", data)
    with site.download(BIG, secure=secure) as download:
        for _ in range(2):
            assert data == download.body()
            download.ask(BIG)
        assert data == download.body()
        download.ask("/about")
        assert 200 == download.status
        assert download.take(download.length).rstrip().endswith(b"</html>")


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 262_144, 262_145, 1_114_112, 1_114_113])
def test_every_size_comes_whole(site: Site, secure: bool, size: int) -> None:
    """Around the sizes of reads and of turns."""
    data = noise(size, 3)
    path = f"/chrome/site/some{size}{secure}.bin"
    site.put(path.rpartition("/")[2], data)
    with site.download(path, secure=secure) as download:
        assert (200, size) == (download.status, download.length)
        assert data == download.body()
        download.ask(path, method="HEAD")
        assert (200, size) == (download.status, download.length)
        download.ask(path)
        assert data == download.body()


def test_head_says_what_get_says(site: Site) -> None:
    """But for what is each request's own."""
    own = ("date", "set-cookie", "x-request-id")
    said = []
    for method in ("GET", "HEAD"):
        with site.download(CSS, method=method) as css:
            said.append({name: value for name, value in css.headers.items() if name not in own})
    assert said[0] == said[1]
    assert "etag" in said[0]


def test_an_old_client_gets_files_too(site: Site) -> None:
    """HTTP/1.0, once with a connection that is kept."""
    site.put("old.bin", noise(300_000, 4))
    with socket.create_connection(("127.0.0.1", site.cluster.port), timeout=20) as client:
        client.sendall(b"GET /chrome/site/old.bin HTTP/1.0\r\nHost: localhost\r\n\r\n")
        found = b"".join(iter(lambda: client.recv(65536), b""))
    head, _, body = found.partition(b"\r\n\r\n")
    assert b"Connection: close" in head
    assert noise(300_000, 4) == body


def test_requests_that_were_sent_ahead_are_answered_in_order(site: Site) -> None:
    """Files large and small, a page, and a refusal."""
    data = noise(2_000_000, 5)
    site.put("ahead.bin", data)
    paths = ("/chrome/site/ahead.bin", CSS, "/about", "/chrome/site/ahead.bin", ATTACHMENT, CSS)
    with socket.create_connection(("127.0.0.1", site.cluster.port), timeout=20) as client:
        client.sendall(b"".join(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode() for path in paths))
        with client.makefile("rb") as answers:
            found = []
            for _ in paths:
                status = int(answers.readline().split()[1])
                headers = email.message_from_string(
                    "".join(line.decode("latin-1") for line in iter(answers.readline, b"\r\n"))
                )
                found.append((status, answers.read(int(headers["Content-Length"]))))
    assert [200, 200, 200, 200, 403, 200] == [status for status, _ in found]
    assert data == found[0][1] == found[3][1]
    assert found[1] == found[5]


# -- attachments


def test_an_attachment_comes_whole_to_who_may_see_it_and_to_nobody_else(site: Site) -> None:
    """Trac is asked each time; only the sending is the front's."""
    etag = ""
    for _ in range(3):
        head, body = site.curl(ATTACHMENT, *site.admin)
        assert head.startswith("HTTP/1.1 200")
        assert "Content-Disposition: attachment" in head
        assert site.depths == body
        etag = next(line for line in head.split("\r\n") if line.startswith("ETag: ")).removeprefix("ETag: ")
        for options in ([], ["-H", f"If-None-Match: {etag}"], ["-r", "0-9"], ["-I"]):
            head, body = site.curl(ATTACHMENT, *options)
            assert head.startswith("HTTP/1.1 403"), options
            assert site.depths[:10] not in body
    assert site.curl(ATTACHMENT, *site.admin, "-H", f"If-None-Match: {etag}")[0].startswith("HTTP/1.1 304")


# -- parts


def test_parts_come_as_asked(site: Site) -> None:
    """From the start, from the middle, from the end; by curl, as people do."""
    for asked, expected, said in (
        ("0-99", site.depths[:100], "bytes 0-99/5000000"),
        ("4999990-", site.depths[-10:], "bytes 4999990-4999999/5000000"),
        ("-5", site.depths[-5:], "bytes 4999995-4999999/5000000"),
        ("1000000-3000000", site.depths[1_000_000:3_000_001], "bytes 1000000-3000000/5000000"),
    ):
        head, body = site.curl(ATTACHMENT, *site.admin, "-r", asked)
        assert head.startswith("HTTP/1.1 206 Partial Content")
        assert f"Content-Range: {said}\r\n" in head + "\r\n"
        assert expected == body
    head, body = site.curl(ATTACHMENT, *site.admin, "-r", "5000000-")
    assert head.startswith("HTTP/1.1 416")
    assert "Content-Range: bytes */5000000" in head


def test_several_parts_come_in_one_answer(site: Site) -> None:
    """Small ones and one that is sent on its own."""
    head, body = site.curl(ATTACHMENT, *site.admin, "-r", "0-9,1000000-2999999,-7")
    assert head.startswith("HTTP/1.1 206")
    message = email.message_from_bytes(head.partition("\r\n")[2].encode() + b"\r\n\r\n" + body)
    assert f"Content-Length: {len(body)}\r\n" in head
    boundary = message.get_boundary()
    assert boundary is not None
    parts = body.split(b"\r\n--" + boundary.encode())[1:-1]
    found = [
        (place, data)
        for place, _, data in (each.split(b"Content-Range: ")[1].partition(b"\r\n\r\n") for each in parts)
    ]
    assert [
        (b"bytes 0-9/5000000", site.depths[:10]),
        (b"bytes 1000000-2999999/5000000", site.depths[1_000_000:3_000_000]),
        (b"bytes 4999993-4999999/5000000", site.depths[-7:]),
    ] == found


def test_a_download_goes_on_where_it_broke_off_if_the_file_is_the_same(site: Site, tmp_path: Path) -> None:
    """By entity tag and by date; another file comes from its start."""
    path = site.put("on.bin", noise(400_000, 6))
    os.utime(path, (1_700_000_000, 1_700_000_000))
    head, _ = site.curl("/chrome/site/on.bin")
    said = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    for validator in (said["ETag"], said["Last-Modified"]):
        head, body = site.curl("/chrome/site/on.bin", "-r", "1000-", "-H", f"If-Range: {validator}")
        assert head.startswith("HTTP/1.1 206")
        assert noise(400_000, 6)[1000:] == body
    site.put("on.bin", noise(400_000, 7))
    for validator in (said["ETag"], said["Last-Modified"]):
        head, body = site.curl("/chrome/site/on.bin", "-r", "1000-", "-H", f"If-Range: {validator}")
        assert head.startswith("HTTP/1.1 200")
        assert noise(400_000, 7) == body
    half = tmp_path / "half.bin"
    half.write_bytes(noise(400_000, 7)[:123_456])
    site.curl("/chrome/site/on.bin", "-C", "-", "-o", str(half))
    assert noise(400_000, 7) == half.read_bytes()


def test_what_a_client_has_already_does_not_come_again(site: Site) -> None:
    """By its tag, by its date; and a tag that is not the same counts more than a date that is."""
    with site.download(CSS) as css:
        etag, date = css.headers["etag"], css.headers["last-modified"]
        css.body()
        for line in (f"If-None-Match: {etag}", f"If-None-Match: W/{etag}", f"If-Modified-Since: {date}"):
            css.ask(CSS, line)
            assert 304 == css.status, line
        css.ask(CSS, f"If-None-Match: {etag}", f"If-Modified-Since: {date}")
        assert 304 == css.status
        assert etag == css.headers["etag"]
        assert "content-type" not in css.headers
        css.ask(CSS, 'If-None-Match: "other"', f"If-Modified-Since: {date}")
        assert 200 == css.status
        css.body()
        css.ask(CSS, "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT")
        assert 304 == css.status
        css.ask(CSS, 'If-Match: "other"')
        assert 412 == css.status


# -- files that do not stay as they are


def begun(site: Site, name: str, secure: bool, data: bytes) -> tuple[Path, Download]:
    """Put a large file there and begin to download it."""
    path = site.put(name, data)
    download = site.download(f"/chrome/site/{name}", secure=secure)
    assert (200, len(data)) == (download.status, download.length)
    return path, download


@pytest.mark.parametrize("how", ["shorter", "empty", "longer", "rewritten", "written at its end"])
def test_a_file_that_changes_while_it_is_sent_breaks_the_download(site: Site, secure: bool, how: str) -> None:
    """The client sees that it has not got all of it."""
    data = noise(LARGE, 8)
    path, download = begun(site, "changes.bin", secure, data)
    with download:
        start = download.take(100_000)
        if how == "shorter":
            os.truncate(path, LARGE - 1)
        elif how == "empty":
            os.truncate(path, 0)
        elif how == "longer":
            with path.open("ab") as file:
                file.write(b"more")
        elif how == "rewritten":
            path.write_bytes(noise(LARGE, 9))
        else:
            with path.open("rb+") as file:
                file.seek(-10, os.SEEK_END)
                file.write(b"0123456789")
        rest = download.body()
        assert len(start) + len(rest) < LARGE
    wait_until(lambda: not site.descriptors(), 5, "the end of the file")


@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_a_file_whose_name_goes_is_sent_to_its_end(site: Site, secure: bool, how: str) -> None:
    """As whoever replaces a file properly expects it."""
    data = noise(LARGE, 10)
    path, download = begun(site, "goes.bin", secure, data)
    with download:
        start = download.take(100_000)
        if how == "replaced":
            site.put("new.bin", noise(LARGE, 11)).rename(path)
        else:
            path.unlink()
        assert data == start + download.take(LARGE - 100_000)
        if how == "replaced":
            download.ask("/chrome/site/goes.bin")
            assert noise(LARGE, 11) == download.body()


# -- clients that do not stay


def test_a_client_that_leaves_or_stalls_holds_no_worker_and_no_file(site: Site, secure: bool) -> None:
    """The only worker serves pages meanwhile, and the file is closed when the client has gone."""
    data = noise(LARGE, 12)
    downloads = [begun(site, "leaves.bin", secure, data)[1] if not n else site.download("/chrome/site/leaves.bin",
                 secure=secure) for n in range(4)]  # fmt: skip
    assert 200 == site.cluster.get("/about").status
    assert 4 == len(site.descriptors())
    for download in downloads[:3]:
        download.close()
    wait_until(lambda: len(site.descriptors()) == 1, 5, "the end of three files")
    assert data == downloads[3].body()
    downloads[3].close()


def clients(cluster: ClusterProcess) -> int:
    """Count the connections of clients."""
    found = psutil.Process(cluster.front_pid).net_connections("tcp")
    return sum(each.laddr.port == cluster.port and each.status == psutil.CONN_ESTABLISHED for each in found)


@pytest.mark.parametrize("kind", ["file", "page"])
def test_a_slow_client_is_not_taken_for_one_that_has_stopped(
    start_cluster: StartCluster, tmp_path: Path, kind: str
) -> None:
    """The kernel keeps megabytes for it, so it can be long until there is room for more; one that stops is cut off."""
    (tmp_path / "file").write_bytes(noise(LARGE, 13))
    application = ("--application", "tests.integration.apps:misbehaving")
    cluster = start_cluster("--workers", "1", "--body-timeout", "1", *application)
    pace = threading.Event()
    path = f"/file?{tmp_path / 'file'}" if kind == "file" else "/stream"
    with Download(cluster.port, path) as slow:
        for _ in range(30):
            assert 20_000 == len(slow.take(20_000))
            pace.wait(0.1)
        assert 1 == clients(cluster)
        wait_until(lambda: not clients(cluster), 10, "the end of the connection")


def test_a_stop_waits_for_a_download(start_cluster: StartCluster, tmp_path: Path) -> None:
    """Until it is whole; then everything goes."""
    data = noise(LARGE, 14)
    (tmp_path / "file").write_bytes(data)
    cluster = start_cluster("--workers", "1", "--application", "tests.integration.apps:misbehaving")
    with Download(cluster.port, f"/file?{tmp_path / 'file'}") as download:
        start = download.take(100_000)
        cluster.tree.signal(signal.SIGTERM)
        wait_until(lambda: not accepts(cluster.port), 10, "the end of the port")
        assert data == start + download.take(LARGE - 100_000)
    assert cluster.wait_until_ended() in (0, -signal.SIGTERM)


def accepts(port: int) -> bool:
    """Tell whether anybody listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# -- whom to believe


def test_what_a_client_says_in_our_name_is_not_heard(site: Site) -> None:
    """Neither where a file is, nor that none is wanted."""
    lines = ("Tracd-Cluster-No-Files: 1", "Tracd-Cluster-File: 1 1 1:1 /etc/passwd", "Tracd_Cluster_No_Files: 1")
    with site.download(CSS, *lines) as css:
        assert "etag" in css.headers  # the front has sent it
        css.body()
        css.ask("/about", *lines)
        assert b"root:" not in css.body()


def test_a_server_elsewhere_is_not_believed(start_cluster: StartCluster) -> None:
    """It names a file of this machine, and what comes is what it has sent, without the name."""
    found = os.stat("/etc/passwd")
    named = f"{found.st_size} {found.st_mtime_ns} {found.st_dev}:{found.st_ino} /etc/passwd"
    teller = Teller("its own")
    teller.more = [("Tracd-Cluster-File", named), ("tracd-cluster-FILE", named)]
    try:
        cluster = start_cluster("--upstream", f"http://127.0.0.1:{teller.port}")
        with Download(cluster.port, "/x") as answer:
            assert b"its own" == answer.body()
            assert not [name for name in answer.headers if "tracd" in name]
    finally:
        teller.close()


def test_a_file_that_is_gone_when_the_front_looks_comes_from_a_worker(
    start_cluster: StartCluster, tmp_path: Path
) -> None:
    """The application is asked a second time, and then for the bytes."""
    asked = tmp_path / "asked"
    cluster = start_cluster("--workers", "1", "--application", "tests.integration.apps:misbehaving")
    with Download(cluster.port, f"/vanishing?{asked}") as answer:
        assert (200, 300_000) == (answer.status, answer.length)
        assert b"v" * 300_000 == answer.body()
        assert 2 == len(asked.read_text())
        answer.ask("/")
        assert b"hello\n" == answer.body()
    wait_until(lambda: "is asked for again" in cluster.log, 5, "a line in the log")
