"""The commands of a Markdown page: what somebody would copy from it, block by block."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True)
class Command:
    """One command, which may have several lines, and the heading that it stands under."""

    heading: str
    text: str

    @property
    def shown(self) -> str:
        """Write it in one line, without the remark behind it."""
        if self.text.startswith("cat >"):
            return self.text.partition(" <<")[0]
        return re.sub(r"\s+# .*$", "", re.sub(r"\s*\\\n\s*", " ", self.text)).rstrip()


def commands(page: str) -> Iterator[Command]:
    """Give the commands of a page, in order.

    They stand in indented blocks. A block that begins with ``# /path`` is a file to be written, and becomes the
    command that writes it.
    """
    heading = ""
    for is_block, lines in _parts(page):
        if not is_block:
            heading = next((line.lstrip("# ") for line in reversed(lines) if re.match(r"#+ ", line)), heading)
        elif found := re.fullmatch(r"# (/\S+)", lines[0]):
            yield Command(heading, "\n".join([f"cat >{found[1]} <<'END'", *lines[1:], "END"]))
        else:
            joined = re.sub(r"\\\n\s*", "\\\\\n", "\n".join(lines))
            for text in re.split(r"(?<!\\)\n", joined):
                if text and not text.startswith("#"):
                    yield Command(heading, text)


def _parts(page: str) -> Iterator[tuple[bool, list[str]]]:
    """Divide a page into blocks and what is between them; what is fenced is a picture, and belongs to neither."""
    page = re.sub(r"(?ms)^```.*?^```$", "", page)
    for is_block, lines in groupby(page.splitlines(), lambda line: line.startswith("    ")):
        yield is_block, [line[4:] if is_block else line for line in lines]
