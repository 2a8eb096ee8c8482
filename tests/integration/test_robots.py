"""What robots are told, by a site that has a robots.txt and by one that has none."""

from __future__ import annotations

from pathlib import Path

from tests.integration.conftest import CopyEnvironment, StartCluster
from tests.processes import wait_until

PLUGIN = """
from trac.core import Component, implements
from trac.web.api import IRequestHandler

class Rules(Component):
    implements(IRequestHandler)

    def match_request(self, req):
        return req.path_info == "/robots.txt"

    def process_request(self, req):
        req.send(b"User-agent: *", "text/plain")
"""


def test_a_site_without_one_has_ours_until_it_gets_its_own(
    env: Path, start_cluster: StartCluster, tmp_path: Path
) -> None:
    """A plugin's wins; with the option there is none. Pages that there are not are still that."""
    file = tmp_path / "tracd-cluster.toml"
    file.write_text("")
    cluster = start_cluster("--config", str(file), "-s", str(env))
    for _ in range(2):
        ours = cluster.get("/robots.txt")
        assert (200, True) == (ours.status, b"\nDisallow: /changeset\n" in ours.body)
    assert 404 == cluster.get("/humans.txt").status
    file.write_text("no-robots = true\n")
    cluster.tree.signal(1)
    wait_until(lambda: 404 == cluster.get("/robots.txt").status, 20, "no robots.txt")
    (env / "plugins" / "rules.py").write_text(PLUGIN)
    file.write_text("")
    cluster.tree.signal(1)
    wait_until(lambda: b"User-agent: *" == cluster.get("/robots.txt").body, 20, "the site's own")


def test_several_projects_below_a_base_path_share_one(copy_env: CopyEnvironment, start_cluster: StartCluster) -> None:
    """At the root of the host, where nothing else of ours is; their names are not in it."""
    envs = [str(copy_env(name)) for name in ("alpha", "beta")]
    cluster = start_cluster("--base-path", "/trac", *envs, wait=False).wait_until_serving("/trac/")
    ours = cluster.get("/robots.txt")
    assert (200, True) == (ours.status, b"\nDisallow: /trac/*/changeset/\n" in ours.body)
    assert b"alpha" not in ours.body
    assert "text/plain; charset=utf-8" == ours.headers["content-type"]
    assert 404 == cluster.get("/trac/robots.txt").status
