# SPDX-License-Identifier: Apache-2.0
"""The schemas of several services in one document, under names that mean one thing each."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import orjson

PREFIX = "#/components/schemas/"

Key = tuple[str, str]
"""A service, and its name for a schema: ``("orders", "CartOut.CartLineOut")``."""


def merge(documents: dict[str, dict[str, Any]]) -> tuple[dict[str, Any], dict[Key, str]]:
    """All schemas under names of their own, sorted, and the new name of each.

    A schema goes by the last part of its name. Where two of that name differ, each carries its
    service's name, and within one service the whole path by which it was found.
    """
    schemas: dict[Key, Any] = {
        (service, name): schema
        for service, document in documents.items()
        for name, schema in document.get("components", {}).get("schemas", {}).items()
    }
    names = {key: _short(key) for key in schemas}
    # A name that is given up changes whoever refers to it, which may part two that were alike.
    for longer in (_of_service, _in_full):
        while clashing := _clashing(schemas, names):
            if all(names[key] == longer(key) for key in clashing):
                break
            names |= {key: longer(key) for key in clashing}
    if clashing := _clashing(schemas, names):
        raise ValueError(f"schemas differ and have one name: {sorted(clashing)}")
    merged = {names[key]: renamed(schemas[key], key[0], names) for key in schemas}
    return dict(sorted(merged.items())), names


def renamed(node: Any, service: str, names: dict[Key, str]) -> Any:
    """A part of a service's document, with references by the new names."""
    if isinstance(node, dict):
        new = {name: renamed(value, service, names) for name, value in node.items()}
        if isinstance(target := new.get("$ref"), str) and target.startswith(PREFIX):
            new["$ref"] = PREFIX + names[service, target.removeprefix(PREFIX)]
        if _means_nothing_given(new):
            del new["default"]
        for told in {"summary", "description"} & new.keys():
            # Docstrings mark code as Python's tools read it; the document is in Markdown.
            if isinstance(new[told], str):
                new[told] = new[told].replace("``", "`")
        return new
    if isinstance(node, list):
        return [renamed(value, service, names) for value in node]
    return node


def used(schemas: dict[str, Any], roots: Any) -> dict[str, Any]:
    """Those of *schemas* that *roots* refer to, over however many corners."""
    found: set[str] = set()
    waiting = list(_references(roots))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _references(schemas[name])
    return {name: schema for name, schema in schemas.items() if name in found}


def _means_nothing_given(schema: dict[str, Any]) -> bool:
    """Whether the default is no value that anybody may send, but the code's sign for none."""
    if "default" not in schema or not isinstance(schema.get("type"), str):
        return False
    default = schema["default"]
    if default is None:
        return bool(schema["type"] != "null")
    return isinstance(default, str) and len(default) < schema.get("minLength", 0)


def _references(node: Any) -> Iterable[str]:
    if isinstance(node, dict):
        target = node.get("$ref")
        if isinstance(target, str) and target.startswith(PREFIX):
            yield target.removeprefix(PREFIX)
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _clashing(schemas: dict[Key, Any], names: dict[Key, str]) -> set[Key]:
    """Schemas whose name another one has that says something else."""
    alike: dict[str, dict[bytes, list[Key]]] = defaultdict(lambda: defaultdict(list))
    for key, schema in schemas.items():
        content = orjson.dumps(renamed(schema, key[0], names), option=orjson.OPT_SORT_KEYS)
        alike[names[key]][content].append(key)
    return {
        key
        for contents in alike.values()
        if len(contents) > 1
        for keys in contents.values()
        for key in keys
    }


def _short(key: Key) -> str:
    return _plain(key[1].rpartition(".")[2])


def _of_service(key: Key) -> str:
    return key[0].capitalize() + _short(key)


def _in_full(key: Key) -> str:
    return key[0].capitalize() + _plain(key[1])


def _plain(name: str) -> str:
    """The name without what a name may not hold, as the brackets of a generic class."""
    return "".join(letter for letter in name if letter.isalnum())
