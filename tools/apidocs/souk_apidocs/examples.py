# SPDX-License-Identifier: Apache-2.0
"""An example for every schema: its own where it has one, else the plainest that fits."""

from typing import Any

from souk_apidocs.components import PREFIX

_OF_TYPES: dict[str, Any] = {"integer": 1, "number": 12.5, "boolean": True, "null": None}
_OF_FORMATS = {"date-time": "2026-11-21T12:00:00Z", "email": "ada@mail.example", "binary": ""}
_OF_NAMES = {"email": "ada@mail.example", "price": "12.50", "username": "ada"}


def resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """The schema itself, or the one that it refers to."""
    while target := schema.get("$ref"):
        schema = document["components"]["schemas"][target.removeprefix(PREFIX)]
    return schema


def body_of(operation: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON body that an operation takes, as it stands there."""
    content = operation.get("requestBody", {}).get("content", {})
    media: dict[str, Any] | None = content.get("application/json")
    return media


def example_of(media: dict[str, Any], document: dict[str, Any]) -> Any:
    """What one may send: the schema's first example, else a made one, in the fields' order."""
    made = sample(media["schema"], document)
    order = list(resolved(media["schema"], document).get("properties", {}))
    if not isinstance(made, dict) or not set(made) <= set(order):
        return made
    return {field: made[field] for field in order if field in made}


def sample(schema: dict[str, Any], document: dict[str, Any], name: str = "") -> Any:
    """Something that the schema takes, of the fields that it needs."""
    schema = resolved(schema, document)
    for known in ("examples", "enum"):
        if schema.get(known):
            return schema[known][0]
    for known in ("const", "default"):
        if schema.get(known) is not None:
            return schema[known]
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return sample(choices[0], document, name)
    if "properties" in schema:
        fields = schema.get("required") or schema["properties"]
        return {field: sample(schema["properties"][field], document, field) for field in fields}
    return _plain(schema, document, name)


def _plain(schema: dict[str, Any], document: dict[str, Any], name: str) -> Any:
    kind = schema.get("type", "")
    if kind == "array":
        return [sample(schema.get("items", {}), document, name)]
    if kind == "string":
        return _OF_NAMES.get(name) or _OF_FORMATS.get(schema.get("format", ""), name or "text")
    return max(1, schema.get("minimum", 1)) if kind == "integer" else _OF_TYPES.get(kind, {})
