"""Names and texts in Python's syntax tree."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a name or attribute; "" for any other expression."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])


def full_name(node: ast.expr, names: Mapping[str, str]) -> str:
    """`dotted`, with its first part as it was imported."""
    head, dot, rest = dotted(node).partition(".")
    return f"{names.get(head, head)}{dot}{rest}"


def string(node: ast.expr) -> str | None:
    """The text that a node is; None if it is something else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None
