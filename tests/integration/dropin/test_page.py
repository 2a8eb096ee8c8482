"""The page docs/tracd.md claims what tests show, of every option."""

from __future__ import annotations

import re
from pathlib import Path

from tests.integration.dropin.server import TRACD, run
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "tracd.md").read_text(encoding="utf-8")
SHOWN_BY = re.compile(r"`(test_\w+\.py)?::(\w+)`")


def test_every_test_of_the_page_is_there() -> None:
    """A test that the page names can be found where it says; a name without a file is in the file named last."""
    file, seen = "", 0
    for name, function in SHOWN_BY.findall(PAGE):
        file = name or file
        assert f"def {function}(" in (Path(__file__).parent / file).read_text(encoding="utf-8"), function
        seen += 1
    assert seen > 40


def test_every_option_of_tracd_is_on_the_page() -> None:
    """No option of tracd's own help is left out."""
    options = set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", run(TRACD, "--help").stdout))
    assert len(options) >= 30
    assert options == {option for option in options if re.search(rf"`{option}\b", PAGE)}
