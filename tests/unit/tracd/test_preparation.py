"""Any WSGI application can be served instead of Trac."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tracd_cluster.settings.pool import ProjectSettings
from tracd_cluster.tracd.environments import CannotServe
from tracd_cluster.tracd.link import Configuration
from tracd_cluster.tracd.preparation import Preparation, load
from tracd_cluster.tracd.tuning import thaw


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with an application in it."""
    (tmp_path / "served_here.py").write_text("def app(environ, start_response):\n    return [b'x']\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "served_here", raising=False)
    return "served_here"


def test_an_application_is_found_by_name(module: str) -> None:
    """Measurements run without Trac."""
    assert [b"x"] == load(f"{module}:app")({}, lambda *_: len)


@pytest.mark.parametrize("name", ["no_such_module_here:app", "served_here:missing", "served_here"])
def test_a_name_that_leads_nowhere_is_told(module: str, name: str) -> None:
    """A typing error is shown with its name."""
    with pytest.raises(CannotServe) as told:
        load(name)
    assert f"import {name}" == told.value.step


@pytest.mark.parametrize("preload", [True, False])
def test_an_application_is_imported_in_the_template_only_when_preloading(module: str, preload: bool) -> None:
    """``--no-preload`` keeps the application out of the template."""
    configuration = Configuration(
        generation=1,
        projects=ProjectSettings(base_path="/b"),
        application=f"{module}:app",
        preload=preload,
        freeze=False,
    )
    preparation = Preparation(configuration)
    preparation.in_template()
    assert preload == (module in sys.modules)
    service = preparation.service()
    assert ("/b", None) == (service.environ["SCRIPT_NAME"], service.freezer)
    assert not [key for key in service.environ if key.startswith("trac.")]
    thaw()
