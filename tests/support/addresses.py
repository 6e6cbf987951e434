# SPDX-License-Identifier: Apache-2.0
"""Which addresses a process may use, read from its code: the ``…_url`` settings behind a module."""

import ast
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path


def used_by(module: str) -> set[str]:
    """The names ``x`` of every ``x_url`` in what *module* imports of its own package and common."""
    seen: set[str] = set()
    waiting, packages = [module], {module.partition(".")[0], "common"}
    while waiting:
        name = waiting.pop()
        if name not in seen and name.partition(".")[0] in packages:
            seen.add(name)
            waiting += _imported(name)
    return {address for name in seen for address in _addresses(name)}


def _imported(module: str) -> Iterator[str]:
    for node in _nodes(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # What is imported from a package may be a module of it.
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def _addresses(module: str) -> Iterator[str]:
    for node in _nodes(module):
        if isinstance(node, ast.Attribute) and node.attr.endswith("_url"):
            yield node.attr.removesuffix("_url")


@cache
def _nodes(module: str) -> list[ast.AST]:
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:  # a name in a module, not a module
        return []
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return []
    return list(ast.walk(ast.parse(Path(spec.origin).read_text())))
