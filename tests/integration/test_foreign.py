"""The front before servers that are not ours: the same walk passes, and nothing shows where the pages come from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.integration.conftest import StartCluster
from tests.integration.dropin.accounts import htpasswd
from tests.integration.foreign import ForeignServer, gunicorn, obey_remote_user, tracd, with_plugin
from tests.integration.walk import Walk

USER, PASSWORD = "inés", "harbour"


@pytest.fixture
def users(tmp_path: Path) -> str:
    """Options with which the front asks for passwords."""
    return f"*,{htpasswd(tmp_path / 'users.htpasswd', {USER: PASSWORD})},Trac"


@pytest.fixture
def servers() -> Iterator[list[ForeignServer]]:
    """Servers that end with the test."""
    started: list[ForeignServer] = []
    yield started
    for server in started:
        server.kill()


def test_two_stock_tracds_run_by_us(env: Path, tmp_path: Path, start_cluster: StartCluster, users: str) -> None:
    """A command in place of our workers: everything works, signed in at the front."""
    obey_remote_user(env)
    command = f"tracd -s -p {{port}} -b {{host}} {env}"
    cluster = start_cluster(
        "-s", "--workers", "2", "--basic-auth", users, "--worker-command", command, environment=with_plugin(tmp_path)
    )
    cluster.wait_for_log("worker 2 (generation 1")
    ports = [line.split(":")[-1].strip("/ \n") for line in cluster.log.splitlines() if ": Serving on" in line]
    Walk(cluster.url, *(f":{port}" for port in ports)).all(USER, PASSWORD)


@pytest.mark.parametrize(("outer", "inner"), [("/site", "/inner"), ("", "/inner/deeper"), ("/site", "")])
def test_stock_tracd_elsewhere_below_other_base_paths(
    env: Path, tmp_path: Path, start_cluster: StartCluster, users: str, servers: list[ForeignServer],
    outer: str, inner: str,
) -> None:  # fmt: skip
    """Redirects and cookies show the front's base path only, whatever the server's is."""
    obey_remote_user(env)
    options = [f"--base-path={inner}"] if inner else []
    server = tracd(tmp_path, env, *options, environment=with_plugin(tmp_path)).wait(f"{inner}/")
    servers.append(server)
    cluster = start_cluster(
        "-s", f"--base-path={outer}", "--basic-auth", users, "--upstream", f"{server.url}{inner or '/'};trusted"
    )
    hidden = [f":{server.port}", *([inner] if inner else [])]
    walk = Walk(cluster.url + outer, *hidden)
    walk.all(USER, PASSWORD)
    cookies = [line for line in walk.seen if line.startswith("Set-Cookie")]
    assert all(f"Path={outer or '/'};" in line or line.endswith(f"Path={outer or '/'}") for line in cookies), cookies


def test_gunicorn_behind_https(
    env: Path, tmp_path: Path, start_cluster: StartCluster, users: str, servers: list[ForeignServer]
) -> None:
    """TLS ends at the front: redirects lead to https, cookies are Secure, and the server is named nowhere."""
    obey_remote_user(env)
    authority = trustme.CA()
    certificate = tmp_path / "localhost.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(certificate)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    server = gunicorn(tmp_path, env, "/site", with_plugin(tmp_path)).wait("/site/")
    servers.append(server)
    cluster = start_cluster(
        "-s", "--base-path=/site", "--basic-auth", users, "--protocol=https", "--certfile", str(certificate),
        "--upstream", f"{server.url};trusted", wait=False,
    )  # fmt: skip
    cluster.wait_for_log("is in use")
    walk = Walk(
        f"https://localhost:{cluster.port}/site", f":{server.port}", "http://", verify=str(tmp_path / "ca.pem")
    )
    walk.all(USER, PASSWORD)
    assert all("; secure" in line.lower() for line in walk.seen if line.startswith("Set-Cookie"))


def test_another_tracd_cluster(env: Path, start_cluster: StartCluster, users: str) -> None:
    """One of ours in front of another: the inner one believes the outer one as it does any trusted proxy."""
    inner = start_cluster(
        "-s", str(env), "--workers", "1", "--trusted-proxy", "127.0.0.1", "--remote-user-header", "Remote-User"
    )
    outer = start_cluster("-s", "--basic-auth", users, "--upstream", f"{inner.url};trusted")
    Walk(outer.url, f":{inner.port}").all(USER, PASSWORD)


def test_a_server_that_is_not_trusted_hears_of_nobody(
    env: Path, tmp_path: Path, start_cluster: StartCluster, users: str, servers: list[ForeignServer]
) -> None:
    """Without the word, neither name nor password leaves the front; what a client claims never does."""
    obey_remote_user(env)
    server = tracd(tmp_path, env, environment=with_plugin(tmp_path)).wait()
    servers.append(server)
    cluster = start_cluster("-s", "--basic-auth", users, "--upstream", server.url)
    walk = Walk(cluster.url)
    page = walk.ask("GET", "/login", auth=(USER.encode(), PASSWORD.encode()))
    assert page.status_code not in (302, 401)
    assert "Authentication information not available" in page.text
    assert "logged in as" not in walk.ask("GET", "/about", headers={"Remote-User": "admin"}).text
