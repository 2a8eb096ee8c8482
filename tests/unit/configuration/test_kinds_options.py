"""What can be said of slow pages."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from tracd_cluster.configuration.config import configure, load
from tracd_cluster.configuration.kinds_options import kind, kind_text
from tracd_cluster.settings.kinds import KINDS, KindsSettings, Policy


def test_defaults() -> None:
    """Those of the settings."""
    assert KindsSettings() == load(["."]).kinds


@pytest.mark.parametrize("name", [*KINDS, "learned", "/burndown", "/"])
def test_kinds_and_routes_have_policies(name: str) -> None:
    """Any of them, written as it is read."""
    for policy in Policy:
        assert (name, policy) == kind(f" {name} = {policy.value} ")
        assert f"{name}={policy.value}" == kind_text((name, policy))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("changesets=slow", "names no kind: one of archive, feed"),
        ("burndown=slow", "as in /burndown"),
        ("/a/b=slow", "names no kind"),
        ("/%61=slow", "names no kind"),
        ("=slow", "names no kind"),
        ("log", "has no policy: one of allow, slow, sign-in, deny, as in log=sign-in"),
        ("log=never", "has no policy"),
        ("/login=sign-in", "would keep everybody from signing in"),
        ("/chrome=deny", "would keep everybody from signing in"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, expected: str) -> None:
    """With what was expected."""
    with pytest.raises(ArgumentTypeError, match=expected) as error:
        kind(text)
    assert repr(text) in str(error.value)


def test_they_stand_in_a_file_too(tmp_path: Path) -> None:
    """And are shown as they are written there."""
    file = tmp_path / "tracd-cluster.toml"
    file.write_text('envs = ["."]\nkind = ["changeset=sign-in", "/burndown=allow"]\n')
    found, _ = configure(["--config", str(file)], "tracd-cluster")
    assert (("changeset", Policy.SIGN_IN), ("/burndown", Policy.ALLOW)) == found.settings.kinds.policies
    assert 'kind = ["changeset=sign-in", "/burndown=allow"]' in found.show()
