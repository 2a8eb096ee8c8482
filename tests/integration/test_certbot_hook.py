"""What certbot runs after a renewal."""

from __future__ import annotations

import grp
import os
import subprocess
from pathlib import Path

import pytest

from tests.certificates import ca_file, issue, write_certbots
from tests.integration.conftest import StartCluster
from tests.integration.tls_clients import s_client
from tests.processes import ROOT, free_port, wait_until

HOOK = ROOT / "deploy" / "certbot" / "tracd-cluster"


def renew(tmp_path: Path, name: str) -> Path:
    """Let certbot have a new certificate, run the hook as certbot does, and give the folder of copies."""
    lineage = write_certbots(tmp_path / "live" / "localhost", issue("localhost", cn=name))
    target = tmp_path / "certificates"
    variables = {
        "PATH": os.environ["PATH"],
        "RENEWED_LINEAGE": str(lineage),
        "RENEWED_DOMAINS": "localhost",
        "TRACD_CLUSTER_CERTIFICATES": str(target),
        "TRACD_CLUSTER_GROUP": grp.getgrgid(os.getegid()).gr_name,
    }
    subprocess.run([HOOK], env=variables, check=True, timeout=20)
    return target


@pytest.mark.needs("openssl")
def test_a_renewed_certificate_is_served(tmp_path: Path, start_cluster: StartCluster) -> None:
    """The copy is for the group alone, nothing else is left, and the running service takes it up."""
    target = renew(tmp_path, "first")
    copies = sorted((target / "localhost").iterdir())
    assert ["fullchain.pem", "privkey.pem"] == [path.name for path in copies]
    assert {0o640} == {path.stat().st_mode & 0o777 for path in copies}
    assert 0o750 == (target / "localhost").stat().st_mode & 0o777
    port, ca = free_port(), ca_file(tmp_path)
    application = ["--application", "tests.integration.apps:misbehaving", "--workers", "1"]
    start_cluster("--https-port", str(port), "--cert-dir", str(target), *application)
    assert "first" == s_client(port, ca, name="localhost").name
    renew(tmp_path, "second")
    wait_until(lambda: s_client(port, ca, name="localhost").name == "second", 10, "the renewed certificate")
