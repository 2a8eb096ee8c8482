"""What testssl.sh says of the default set-up. It takes a minute."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.certificates import ca_file, chain_of, issue, key_of, put
from tests.integration.conftest import StartCluster
from tests.processes import free_port

PARTS = ("--protocols", "--server-preference", "--fs", "--server-defaults", "--headers", "--vulnerable")
NOT_OURS = {"cert_revocation", "sessionresumption_ticket", "engine_problem"}
"""The tests' authority has no list of what it has revoked; this client hangs up before a ticket of TLS 1.3 can have
come, to complain that there is none (test_tls.py looks at that); and it complains of its own openssl.
"""


@pytest.mark.needs("testssl")
def test_no_finding_is_above_low(env: Path, tmp_path: Path, start_cluster: StartCluster) -> None:
    """Versions, ciphers, what every known attack needs, and the answer to a page."""
    leaf = issue("localhost")
    certificate = put(tmp_path / "c.pem", chain_of(leaf) + key_of(leaf))
    port, result = free_port(), tmp_path / "testssl.json"
    start_cluster("--https-port", str(port), "--certfile", str(certificate), "--workers", "1", "-s", str(env))
    how = ["--quiet", "--color", "0", "--warnings", "off", "--add-ca", str(ca_file(tmp_path))]
    program = ["testssl", *how, "--jsonfile", str(result), *PARTS, f"https://localhost:{port}/"]
    subprocess.run(program, stdin=subprocess.DEVNULL, capture_output=True, timeout=240, check=False)
    found = {each["id"]: (each["severity"], each["finding"]) for each in json.loads(result.read_text())}
    bad = {name: what for name, what in found.items() if what[0] in ("MEDIUM", "HIGH", "CRITICAL", "FATAL", "WARN")}
    assert {} == {name: what for name, what in bad.items() if name not in NOT_OURS}
    assert ("OK", "offered") == (found["TLS1_3"][0], found["TLS1_2"][1])
    attacks = ("heartbleed", "ROBOT", "secure_client_renego", "CRIME_TLS", "LUCKY13")
    assert {"OK"} == {found[name][0] for name in attacks}
