"""The links of Markdown pages, and where they lead: as GitHub reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^( {4}|\t).*$", re.MULTILINE)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(\s*<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)


def broken(page: Path, top: Path) -> Iterator[str]:
    """Give each link of a page that leads nowhere; ``top`` is the folder that nothing may be outside of."""
    for link in links_of(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.is_relative_to(top.resolve()) or not target.exists():
            yield f"{link}: there is no such file"
        elif anchor and (target.suffix != ".md" or anchor not in anchors_of(target.read_text(encoding="utf-8"))):
            yield f"{link}: there is no such heading"


def links_of(text: str) -> list[str]:
    """Give the targets of all links that are no code."""
    for code in (_FENCE, _INDENTED, _CODE):
        text = code.sub("", text)
    return _LINK.findall(text)


def anchors_of(text: str) -> set[str]:
    """Give the anchors of all headings; one that is there already gets a number."""
    found: set[str] = set()
    for heading in _HEADING.findall(_INDENTED.sub("", _FENCE.sub("", text))):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = 0
        while (numbered := f"{anchor}-{number}" if number else anchor) in found:
            number += 1
        found.add(numbered)
    return found
