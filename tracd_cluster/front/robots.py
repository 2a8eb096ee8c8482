"""The site's robots.txt, where the site has none: what robots are told (traffic/robots.py), and when.

A worker is asked first, for a plugin may have one, or a page of the operator's; where there is none it is not asked
again for a while, or until there are other workers. Beside the base path there is nobody to ask.
"""

from __future__ import annotations

from tracd_cluster.front.cache import Page
from tracd_cluster.settings.whole import Settings
from tracd_cluster.traffic.policies import single_of
from tracd_cluster.traffic.robots import PATH, robots_txt
from tracd_cluster.upstream.framing import AnswerReader

ASK_AGAIN = 60.0
"""Seconds after which a worker is asked again."""


class Robots:
    """Has a robots.txt for those who ask."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._ask_at = 0.0

    def is_wanted(self, method: bytes, path: bytes) -> bool:
        """Tell whether a request asks for it."""
        return path == PATH and method in (b"GET", b"HEAD")

    def is_missing(self, now: float) -> bool:
        """Tell whether the site is known to have none."""
        return now < self._ask_at

    def forget(self) -> None:
        """Ask the next worker: it may have other plugins."""
        self._ask_at = 0.0

    def fits(self, reader: AnswerReader) -> bool:
        """Tell whether a worker has none."""
        return reader.status == 404

    def instead(self, now: float, date_line: bytes) -> Page:
        """Give it in place of a worker's answer."""
        self._ask_at = now + ASK_AGAIN
        return self.page(now, date_line)

    def page(self, now: float, date_line: bytes) -> Page:
        """Give it."""
        head = (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
            b"Cache-Control: max-age=3600\r\nX-Content-Type-Options: nosniff\r\n%bServer: tracd-cluster\r\n"
        )
        return Page(head % (len(self._text), date_line), self._text, now, 0)


def robots_of(settings: Settings) -> Robots | None:
    """Make what a service tells robots; None if it is to tell them nothing."""
    if not settings.kinds.robots:
        return None
    return Robots(robots_txt(settings.front.base_path, single_of(settings)))
