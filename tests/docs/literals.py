"""What a program can say: the texts in its source, with an ellipsis for all that is filled in when it runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

GAP = "…"


def texts_of(folder: Path) -> frozenset[str]:
    """Give the texts of all modules below a folder."""
    return frozenset(text for module in folder.rglob("*.py") for text in _texts(ast.parse(module.read_text())))


def said_by(heading: str, texts: frozenset[str]) -> bool:
    """Tell whether a program can say this, or more with this in it."""
    wanted = heading.strip(GAP + " ")
    return any(wanted in text for text in texts)


def _texts(tree: ast.AST) -> Iterator[str]:
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in docstrings:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = (each.value if isinstance(each, ast.Constant) else GAP for each in node.values)
            yield _gapped("".join(map(str, parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield _gapped(re.sub(r"\{[a-z_]*(:[^}]*)?\}", GAP, node.value))


def _gapped(text: str) -> str:
    return re.sub(f"{GAP}+", GAP, text)
