"""Dashboard, alerts and autoscaler speak of metrics that there are: those of docs/metrics.md."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.processes import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "tracd-cluster.json"
AUTOSCALER = ROOT / "deploy" / "kubernetes" / "base" / "autoscaler.yaml"
NAME = re.compile(r"\btracd_cluster_\w+")
MATCHER = re.compile(r'(\w+)(?:=|!=|=~|!~)"([^"]*)"')
OF_PROMETHEUS = {"instance", "job", "le", "namespace", "pod"}


def documented() -> dict[str, tuple[str, dict[str, list[str]]]]:
    """Give each metric of docs/metrics.md: its type, and its labels with the values that they may have."""
    found = {}
    for line in (ROOT / "docs" / "metrics.md").read_text().splitlines():
        if match := re.match(r"\| `(tracd_cluster_\w+)` \| (counter|gauge|histogram) \| ([^|]*)\|", line):
            labels = re.findall(r"`(\w+)`([^,|`]*)", match[3])
            found[match[1]] = match[2], {label: values.split() for label, values in labels}
    return found


def series() -> dict[str, dict[str, list[str]]]:
    """Give each name that Prometheus has after scraping, with its labels."""
    found = {}
    for name, (kind, labels) in documented().items():
        for end in ("_bucket", "_sum", "_count") if kind == "histogram" else ("",):
            found[name + end] = labels
    return found


def expressions(path: Path) -> list[str]:
    """Give all that is asked of Prometheus in a file."""
    text = path.read_text()
    if path.suffix == ".json":
        return [target["expr"] for panel in json.loads(text)["panels"] for target in panel["targets"]]
    if path.name == "alerts.yaml":
        return [rule["expr"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    if path.name == "alerts.test.yaml":
        return [each["series"] for test in yaml.safe_load(text)["tests"] for each in test["input_series"]]
    if path == AUTOSCALER:
        return [each["pods"]["metric"]["name"] for each in yaml.safe_load(text)["spec"]["metrics"]]
    return [each["seriesQuery"] for each in yaml.safe_load(text)["rules"]["custom"]]


FILES = [
    DASHBOARD, AUTOSCALER,
    *(PROMETHEUS / name for name in ("alerts.yaml", "alerts.test.yaml", "adapter-values.yaml")),
]  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_metric_is_one_that_there_is(path: Path) -> None:
    """By name, with labels that it has, and values that the labels may have."""
    known = series()
    asked = expressions(path)
    assert asked
    for expression in asked:
        names = NAME.findall(expression)
        assert names or 'up{job="tracd-cluster"' in expression, expression
        for name in names:
            assert name in known, f"{name} in {expression}"
        # The labels of an expression with several metrics may be those of any of them.
        may: dict[str, list[str]] = {}
        for name in names:
            may |= known[name]
        for label, values in MATCHER.findall(expression):
            assert label in may or label in OF_PROMETHEUS, f"{label} in {expression}"
            for value in values.split("|") if may.get(label) else ():
                assert value in may[label], f"{label}={value} in {expression}"


def test_every_metric_is_shown() -> None:
    """Nothing is exported that nobody looks at."""
    shown = set(NAME.findall(" ".join(expressions(DASHBOARD))))
    for name, (kind, _) in documented().items():
        assert shown & ({f"{name}_bucket", f"{name}_count"} if kind == "histogram" else {name}), name


def test_the_autoscaler_is_served_by_the_adapter() -> None:
    """What it asks for, the adapter has a rule for."""
    rules = [NAME.search(query) for query in expressions(PROMETHEUS / "adapter-values.yaml")]
    assert set(expressions(AUTOSCALER)) == {match[0] for match in rules if match is not None}


@pytest.mark.needs("promtool")
@pytest.mark.parametrize(
    "words",
    [
        ("check", "rules", "alerts.yaml"),
        ("test", "rules", "alerts.test.yaml"),
        ("check", "config", "scrape.yaml"),
    ],
    ids=" ".join,
)
def test_prometheus_agrees(words: tuple[str, ...]) -> None:
    """It understands the files, and its alerts fire when they should, and not when they should not."""
    done = subprocess.run(
        ["promtool", *words], cwd=PROMETHEUS, capture_output=True, text=True, timeout=60, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.needs("promtool")
def test_prometheus_agrees_in_kubernetes(tmp_path: Path) -> None:
    """Debian's promtool does not know Kubernetes; it looks at all but how the pods are found."""
    text = (PROMETHEUS / "scrape-kubernetes.yaml").read_text()
    how = "kubernetes_sd_configs:\n      - role: pod\n"
    assert how in text
    (tmp_path / "prometheus.yml").write_text(text.replace(how, "static_configs: []\n"))
    argv = ["promtool", "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    labels = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "base" / "deployment.yaml").read_text())["spec"][
        "template"
    ]
    component = labels["metadata"]["labels"]["app.kubernetes.io/component"]
    ports = [port["name"] for port in labels["spec"]["containers"][0]["ports"]]
    assert f"regex: {component};{ports[-1]}\n" in text


def test_every_alert_is_tried_out_both_ways() -> None:
    """Once where it fires, once where it does not; and docs/monitoring.md says what to do about it."""
    rules: dict[str, Any] = yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text())
    names = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    tests = yaml.safe_load((PROMETHEUS / "alerts.test.yaml").read_text())["tests"]
    tried = [(each["alertname"], bool(each["exp_alerts"])) for test in tests for each in test["alert_rule_test"]]
    page = (ROOT / "docs" / "monitoring.md").read_text()
    for name in names:
        assert {(name, True), (name, False)} <= set(tried), name
        assert f"`{name}`" in page, name


def test_the_dashboard_holds_together() -> None:
    """Panels have identities of their own and do not lie on each other, and all ask the chosen source."""
    whole = json.loads(DASHBOARD.read_text())
    panels = whole["panels"]
    assert len(panels) == len({panel["id"] for panel in panels})
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert all(0 <= x < 24 for x, _ in cells)
        taken |= cells
        assert {"${source}"} == {target["datasource"]["uid"] for target in panel["targets"]}
    assert {"source", "instance"} == {variable["name"] for variable in whole["templating"]["list"]}
