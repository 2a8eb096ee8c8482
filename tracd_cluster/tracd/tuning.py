"""What is done to Trac from outside to make it fast: two tunings, each with a switch.

*Freeze* (``PoolSettings.freeze``). ``trac.web.main.dispatch_request`` ends every request, static files included, with
``gc.collect()``, which walks all that the process has ever loaded: some 60 000 objects, 8 to 17 ms of a 20 ms page.
``gc.freeze()`` takes what is alive after warming out of the collector's sight, and the same call costs 0.2 ms. It is
safe: reference counts still free frozen objects, only *cycles* among them are never found, and what is alive in a
warm process (modules, components, compiled templates) lives as long as the process. The one exception is an
environment that Trac itself reloads because its trac.ini changed: the freezer counts that, and after many reloads
thaws once so that the old ones are freed. Frozen pages are also not written to by the collector, so workers go on
sharing them with the template.

*Remember locales* (``PoolSettings.remember_locales``). For every request Trac looks for its translations, some 40
files, and reads and parses the catalogues of the visitor's language: 1 ms and 0.6 ms of a 7 ms page in English, more
in other languages. They belong to the installed packages and cannot change under a running process without its code
changing too. Every caller gets a list of its own, because one of them appends to it. A set of catalogues is only read
once it is in use; it is remembered by the language and by the plugins' catalogues that were added to it, and anything
Trac could not load is tried again.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

CAN_FREEZE = hasattr(gc, "freeze")
"""PyPy has a collector of its own and nothing to freeze."""

WARM_AFTER = 60
"""Requests until a worker has met most of what its users ask for, and freezes once more."""
RELOADED_AFTER = 20
"""The same after an environment was opened anew: less is new."""
THAW_EVERY = 50
"""Reloads after which the old environments are looked for among the frozen.

Each leaves about half a megabyte. The search costs a worker some 25 MB once, because the collector writes to every
object it looks at, and a page that is written to is not shared with the template any more.
"""


class Freezer:
    """Freezes a worker's heap again when it has become warm, between requests.

    ``environments`` gives the identities of what is open now; when that changes, a new freeze falls due.
    """

    __slots__ = ("_due", "_environments", "_known", "_reloads")

    def __init__(self, environments: Callable[[], list[int]] | None = None) -> None:
        self._due = WARM_AFTER
        self._environments = environments
        self._known = environments() if environments is not None else []
        self._reloads = 0

    def request_ended(self) -> None:
        """Count a request, over all lanes; freeze if it is time."""
        if self._environments is not None:
            now = self._environments()
            if now != self._known:
                self._known = now
                self._reloads += 1
                self._due = RELOADED_AFTER
        if self._due:
            self._due -= 1
            if not self._due:
                self._freeze()

    def _freeze(self) -> None:
        if self._reloads >= THAW_EVERY:
            self._reloads = 0
            freeze()
        else:
            freeze_new()


def freeze() -> None:
    """Free what is garbage, frozen or not, then freeze what is left."""
    thaw()
    freeze_new()


def freeze_new() -> None:
    """Free what is garbage among the objects that are not frozen yet, then freeze those as well."""
    gc.collect()
    hide()


def hide() -> None:
    """Freeze what is there, without looking for garbage."""
    if CAN_FREEZE:
        gc.freeze()


def thaw() -> None:
    """Give everything back to the collector."""
    if CAN_FREEZE:
        gc.unfreeze()


def remember_locales() -> None:
    """List Trac's translations now, and read each once; Trac must have been imported."""
    from trac.util import translation

    if hasattr(translation.get_available_locales, "remembered"):
        return
    translation.get_available_locales = remembering(translation.get_available_locales)
    if translation.has_babel:
        proxy = translation.TranslationsProxy
        proxy.activate = activating_once(proxy.activate)


def remembering(find: Callable[[], list[str]]) -> Callable[[], list[str]]:
    """Wrap ``find`` so that it is called once and everyone gets a copy of its answer."""
    remembered = tuple(find())

    def get_available_locales() -> list[str]:
        return list(remembered)

    get_available_locales.remembered = remembered  # type: ignore[attr-defined]
    return get_available_locales


def activating_once(activate: Callable[..., None]) -> Callable[..., None]:
    """Wrap ``TranslationsProxy.activate`` so that each set of catalogues is read once."""
    catalogues: dict[tuple[str, tuple[tuple[str, str], ...]], Any] = {}

    def activated(self: Any, locale: Any, env_path: str | None = None) -> None:
        domains = self._plugin_domains.get(env_path)
        key = (str(locale), tuple(domains.items()) if domains else ())
        known = catalogues.get(key)
        if known is not None:
            self._current.translations = known
            self._activate_failed = False
            return
        activate(self, locale, env_path)
        if not self._activate_failed and self._current.translations is not self._null_translations:
            catalogues[key] = self._current.translations

    return activated
