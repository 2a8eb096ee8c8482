"""No file of ``deploy/`` is there that no test has a look at, or that the index does not name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.processes import ROOT

FOLDER = ROOT / "deploy"
IGNORED = {FOLDER / "docker" / "secrets"}
"""Made by who tries things out here, and kept out of the repository."""
FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file() and not IGNORED & set(path.parents))
INDEX = FOLDER / "README.md"


def words_of(path: Path) -> set[str]:
    """Give the words of a file, as far as names of files go."""
    return set(re.findall(r"[\w.-]+", path.read_text()))


TESTS = {path: words_of(path) for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)}
KUSTOMIZATIONS = {path: words_of(path) for path in FOLDER.rglob("kustomization.yaml")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_somebody_looks_at_it(path: Path) -> None:
    """A test names the file and the folder, or kustomize puts it into what a test looks at."""
    if path == INDEX:
        return
    folder = path.relative_to(FOLDER).parts[0]
    by_test = [test for test, words in TESTS.items() if {path.name, folder} <= words]
    by_kustomize = [
        other for other, words in KUSTOMIZATIONS.items() if path.name in words and path.parent == other.parent
    ]
    if path.name == "kustomization.yaml":
        by_test = [test for test, words in TESTS.items() if {folder, path.parent.name} <= words] or by_kustomize
        by_kustomize = [other for other, words in KUSTOMIZATIONS.items() if path.parent.name in words]
    assert by_test or by_kustomize, f"no test looks at {path}"
    assert f"`{folder}/" in INDEX.read_text(), f"deploy/README.md does not name {folder}/"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.stem)
def test_pages_name_files_that_are_there(page: Path) -> None:
    """A command with a file of deploy/ finds it; an overlay to be called "mine" is the reader's."""
    text = page.read_text()
    for name in set(re.findall(r"(?<![\w./])deploy[/\\][\w./\\-]*\w", text)):
        path = ROOT / name.replace("\\", "/")
        assert path.exists() or path.name == "mine", name
    for link in set(re.findall(r"\]\(((?!https?:)[^)#]+)", text)):
        assert (page.parent / link).exists(), link
