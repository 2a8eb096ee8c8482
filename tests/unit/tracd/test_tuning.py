"""The tunings do what they say and nothing else."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from trac.util import translation

from tracd_cluster.tracd import tuning
from tracd_cluster.tracd.tuning import (
    RELOADED_AFTER,
    THAW_EVERY,
    WARM_AFTER,
    Freezer,
    activating_once,
    freeze,
    freeze_new,
    remembering,
    thaw,
)


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """Leave the collector of the tests as it was."""
    yield
    thaw()


class Circle:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.needs("CPython")
def test_freezing_hides_what_is_alive_and_frees_what_is_not() -> None:
    """A collection after each request has nothing to walk, and start-up garbage is not kept for ever."""
    alive, garbage = Circle(), weakref.ref(Circle())
    freeze()
    assert garbage() is None
    assert gc.get_freeze_count() > 0
    assert not any(found is alive for found in gc.get_objects())


@pytest.mark.needs("CPython")
def test_freezing_again_frees_what_has_died_meanwhile() -> None:
    """An environment that Trac has replaced does not stay in memory."""
    old = Circle()
    remains = weakref.ref(old)
    freeze()
    del old
    freeze_new()
    assert remains() is not None
    freeze()
    assert remains() is None


@pytest.mark.needs("CPython")
def test_a_worker_freezes_once_when_it_has_become_warm() -> None:
    """What the first requests load is out of the collector's way as well."""
    freezer = Freezer()
    thaw()
    for _ in range(WARM_AFTER - 1):
        freezer.request_ended()
    assert 0 == gc.get_freeze_count()
    freezer.request_ended()
    assert gc.get_freeze_count() > 0
    thaw()
    for _ in range(2 * WARM_AFTER):
        freezer.request_ended()
    assert 0 == gc.get_freeze_count()


@pytest.mark.needs("CPython")
def test_a_worker_freezes_again_after_an_environment_was_reloaded() -> None:
    """Saving trac.ini makes a worker slow for a few requests only."""
    environments = [1]
    freezer = Freezer(lambda: list(environments))
    for _ in range(WARM_AFTER):
        freezer.request_ended()
    thaw()
    environments.append(2)
    for _ in range(RELOADED_AFTER - 1):
        freezer.request_ended()
    assert 0 == gc.get_freeze_count()
    freezer.request_ended()
    assert gc.get_freeze_count() > 0


@pytest.mark.needs("CPython")
def test_many_reloads_do_not_add_up() -> None:
    """Environments that Trac has replaced are freed in the end, and until then the heap stays shared."""
    environments = [0]
    freezer = Freezer(lambda: list(environments))
    old = Circle()
    remains = weakref.ref(old)
    freeze()
    del old
    for number in range(1, THAW_EVERY + 1):
        assert remains() is not None
        environments[:] = [number]
        for _ in range(RELOADED_AFTER):
            freezer.request_ended()
    assert remains() is None


def test_without_gc_freeze_everything_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyPy runs the same program."""
    monkeypatch.setattr(tuning, "CAN_FREEZE", False)
    alive = Circle()
    freeze()
    thaw()
    assert any(found is alive for found in gc.get_objects())


def test_locales_are_looked_for_once_and_handed_out_as_copies() -> None:
    """Trac appends to the list it gets; that must not add up."""
    calls = []

    def find() -> list[str]:
        calls.append(1)
        return ["de", "fr"]

    remembered = remembering(find)
    remembered().append("en_US")
    assert ["de", "fr"] == remembered()
    assert [1] == calls


class Proxy:
    """As much of Trac's TranslationsProxy as loads catalogues."""

    def __init__(self) -> None:
        self._current = SimpleNamespace(translations=None)
        self._null_translations = object()
        self._plugin_domains: dict[str, dict[str, str]] = {}
        self._activate_failed = False
        self.loaded: list[object] = []
        self.missing = False

    def load(self, locale: object, env_path: str | None = None) -> None:
        """Load a set of catalogues, as ``TranslationsProxy.activate``."""
        self.loaded.append(locale)
        self._current.translations = self._null_translations if self.missing else object()


def test_catalogues_are_read_once_for_a_language_and_its_plugins() -> None:
    """A set of catalogues serves all requests in its language, until a plugin adds one of its own."""
    proxy, activate = Proxy(), activating_once(Proxy.load)
    activate(proxy, "de", "/env")
    first = proxy._current.translations
    activate(proxy, "fr", "/env")
    activate(proxy, "de", "/env")
    assert ["de", "fr"] == proxy.loaded
    assert first is proxy._current.translations
    proxy._plugin_domains["/env"] = {"plugin": "/plugin/locale"}
    activate(proxy, "de", "/env")
    assert ["de", "fr", "de"] == proxy.loaded


def test_catalogues_that_are_not_there_are_looked_for_again() -> None:
    """A language without catalogues is not remembered as such."""
    proxy, activate = Proxy(), activating_once(Proxy.load)
    proxy.missing = True
    for _ in range(2):
        activate(proxy, "tlh")
    assert ["tlh", "tlh"] == proxy.loaded


def test_trac_s_own_pages_are_translated_as_before() -> None:
    """With real Trac and Babel, languages do not get mixed up."""
    proxy = translation.TranslationsProxy()
    said = []
    activate = activating_once(translation.TranslationsProxy.activate)
    for locale in ("de", "fr", "de", "en_US"):
        activate(proxy, locale)
        said.append(proxy.active.gettext("Search"))
    assert ["Suche", "Recherche", "Suche", "Search"] == said
