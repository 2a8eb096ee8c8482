"""``deploy/kubernetes``: built by kubectl, valid by Kubernetes' own schemas, and at one with itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.integration.deploy.container import Image
from tests.integration.dropin.accounts import htpasswd
from tests.needs import lack
from tests.processes import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
OVERLAYS = ["example", "local"]
OLDEST = (5, 0)
"""Of kustomize, inside kubectl: from Kubernetes 1.27 on. Earlier ones know neither ``patches`` nor ``labels`` well."""

Found = dict[str, dict[str, Any]]

COUNT = {"type": "integer", "minimum": 1}
SIZE = {"type": "string", "pattern": r"^\d+(m|Mi|Gi)?$"}
AMOUNTS = {"type": "object", "propertyNames": {"enum": ["cpu", "memory"]}, "additionalProperties": SIZE}
DATABASE = {
    "type": "object", "required": ["instances", "storage"], "additionalProperties": False,
    "properties": {
        "instances": COUNT,
        "bootstrap": {"type": "object", "additionalProperties": False, "properties": {
            "initdb": {"type": "object", "additionalProperties": False, "properties": {
                name: {"type": "string"} for name in ("database", "owner", "encoding")
            }},
        }},
        "storage": {"type": "object", "additionalProperties": False, "properties": {
            "size": SIZE, "storageClass": {"type": "string"},
        }},
        "postgresql": {"type": "object", "additionalProperties": False, "properties": {
            "parameters": {"type": "object", "additionalProperties": {"type": "string"}},
        }},
        "resources": {"type": "object", "additionalProperties": False, "properties": {
            "requests": AMOUNTS, "limits": AMOUNTS,
        }},
    },
}  # fmt: skip
"""Of CloudNativePG's Cluster, what we make use of; its parameters are strings, which is easily got wrong."""


def kustomize_version() -> tuple[int, ...]:
    """Give the version of kustomize in kubectl; zeros if it is too old to tell."""
    argv = ["kubectl", "version", "--client", "--output=json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True)
    return tuple(map(int, re.findall(r"\d+", json.loads(done.stdout).get("kustomizeVersion", "v0.0.0"))))


@cache
def text_of(overlay: str) -> str:
    """Build an overlay."""
    argv = ["kubectl", "kustomize", str(FOLDER / "overlays" / overlay)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


def built(overlay: str) -> Found:
    """Give what an overlay makes, by kind; there is one of each."""
    documents = list(yaml.safe_load_all(text_of(overlay)))
    found = {document["kind"]: document for document in documents}
    assert len(found) == len(documents)
    return found


pytestmark = pytest.mark.needs("kubectl")


@pytest.fixture(autouse=True, scope="module")
def _new_enough() -> None:
    if (version := kustomize_version()) < OLDEST:
        lack(f"kubectl has kustomize {version}, which is too old")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_schemas_know_all_of_it(overlay: str, tmp_path: Path) -> None:
    """Nothing is misspelled, and nothing is of the wrong kind."""
    file = tmp_path / "all.yaml"
    file.write_text(text_of(overlay))
    argv = [str(Path(sys.executable).with_name("kubernetes-validate")), "--strict", "--no-warn", str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    found = built(overlay)
    assert len(found) - 1 == (done.stdout + done.stderr).count("passed for resource")
    jsonschema.validate(found["Cluster"]["spec"], DATABASE)
    assert {"trac"} == {each["metadata"].get("namespace", "trac") for each in found.values()}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_is_named_is_there(overlay: str) -> None:
    """Selectors meet the pods, ports and volumes have their names, and the database is where Trac looks."""
    found = built(overlay)
    template = found["Deployment"]["spec"]["template"]
    pod, labels = template["spec"], template["metadata"]["labels"].items()
    (container,), (prepare,) = pod["containers"], pod["initContainers"]
    assert found["Service"]["spec"]["selector"].items() <= labels
    assert found["Deployment"]["spec"]["selector"]["matchLabels"].items() <= labels
    assert found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"].items() <= labels
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert found["Service"]["spec"]["ports"][0]["targetPort"] in ports
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] in ports
    assert {port["port"] for rule in found["NetworkPolicy"]["spec"]["ingress"] for port in rule["ports"]} <= set(ports)
    assert str(ports["admin"]) == template["metadata"]["annotations"]["prometheus.io/port"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for each in (container, prepare):
        assert set(volumes) == {mount["name"] for mount in each["volumeMounts"]}
    claim = volumes["environment"]["persistentVolumeClaim"]["claimName"]
    assert claim == found["PersistentVolumeClaim"]["metadata"]["name"]
    assert volumes["options"]["configMap"]["name"] == found["ConfigMap"]["metadata"]["name"]
    cluster = found["Cluster"]["metadata"]["name"]
    assert f"{cluster}-app" == volumes["database"]["secret"]["secretName"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    initdb = found["Cluster"]["spec"]["bootstrap"]["initdb"]
    assert f"postgres://{initdb['owner']}@{cluster}-rw/{initdb['database']}" == environment["TRAC_DATABASE"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_keep_to_the_restricted_standard(overlay: str) -> None:
    """As the namespace demands; and they are the user of the image."""
    pod = built(overlay)["Deployment"]["spec"]["template"]["spec"]
    user, _, group = Image(ROOT / "deploy" / "docker" / "Containerfile").one("USER").partition(":")
    assert (int(user), int(group)) == (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"])
    assert pod["securityContext"]["runAsNonRoot"]
    assert "RuntimeDefault" == pod["securityContext"]["seccompProfile"]["type"]
    for container in (*pod["containers"], *pod["initContainers"]):
        confined = container["securityContext"]
        assert not confined["allowPrivilegeEscalation"]
        assert confined["readOnlyRootFilesystem"]
        assert ["ALL"] == confined["capabilities"]["drop"]


def options() -> dict[str, Any]:
    """Give the options that the replicas run with."""
    found: dict[str, Any] = tomllib.loads(built("example")["ConfigMap"]["data"]["tracd-cluster.toml"])
    return found


def test_the_options_are_understood(tmp_path: Path) -> None:
    """The file in the ConfigMap, as a replica reads it, with its environment and secrets in other places."""
    text = built("example")["ConfigMap"]["data"]["tracd-cluster.toml"]
    for name, place in {"/srv/trac/project": "project", "/run/secrets/trac/": "secrets/"}.items():
        assert name in text
        text = text.replace(name, f"{tmp_path}/{place}")
    (tmp_path / "options.toml").write_text(text)
    (tmp_path / "project").mkdir()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "nonces").write_text("0" * 64 + "\n")
    htpasswd(tmp_path / "secrets" / "users", {"keeper": "harbour"})
    (tmp_path / "project" / "VERSION").write_text("Trac Environment Version 1\n")
    argv = [sys.executable, "-m", "tracd_cluster.cli", "--config", str(tmp_path / "options.toml"), "--show-config"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert 0 == done.returncode, done.stderr
    assert f"{tmp_path}/secrets/nonces" in done.stdout


def test_a_stop_has_the_time_it_needs() -> None:
    """Kubernetes kills later than the service is done; and the service waits until it gets no more requests."""
    pod = built("example")["Deployment"]["spec"]["template"]["spec"]
    (container,), given = pod["containers"], options()
    assert pod["terminationGracePeriodSeconds"] > given["drain-delay"] + given["drain-timeout"]
    ready = container["readinessProbe"]
    assert given["drain-delay"] > ready["periodSeconds"] * ready["failureThreshold"] + ready["timeoutSeconds"]


def test_numbers_fit() -> None:
    """Ports, connections of the database, and the autoscaler's idea of a busy replica."""
    found, given = built("example"), options()
    (container,) = found["Deployment"]["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert (given["port"], given["admin"]) == (ports["http"], f"0.0.0.0:{ports['admin']};open")
    scaler = found["HorizontalPodAutoscaler"]["spec"]
    most = int(found["Cluster"]["spec"]["postgresql"]["parameters"]["max_connections"])
    assert most > 2 * given["workers"] * (scaler["maxReplicas"] + 1)
    targets = {each["pods"]["metric"]["name"]: each["pods"]["target"]["averageValue"] for each in scaler["metrics"]}
    assert float(targets["tracd_cluster_workers_busy"].removesuffix("m")) / 1000 < given["workers"]
    assert found["PodDisruptionBudget"]["spec"]["minAvailable"] < scaler["minReplicas"]
