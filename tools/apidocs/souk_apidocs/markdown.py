# SPDX-License-Identifier: Apache-2.0
"""The API document for people: one page, by group."""

from collections.abc import Iterable
from typing import Any

import orjson

from souk_apidocs.components import PREFIX
from souk_apidocs.document import operations_of
from souk_apidocs.examples import body_of, example_of, resolved
from souk_apidocs.refusals import callers_of, refusals_of, successes_of, text_of

LONGEST_EXAMPLE = 1200

HEAD = """<!-- SPDX-License-Identifier: Apache-2.0 -->
<!-- Made by `make openapi` from the services' code. Changes here are lost. -->
# Endpoints

Everything that the gateway answers. For programs the same is `/openapi.json`, a page to try it is
`/docs`, and [a Postman collection](souk.postman_collection.json) lies beside this file. What a code
means is under [Refusals](#refusals), what a body holds under [Shapes](#shapes). Unknown fields in a
body or a query are refused.

Some refusals go without saying below. Any call may meet 429 `too_many_requests` and 503
`unavailable` (on the older paths 502 `bad_gateway`). One that needs a token: 401 `token_missing`,
`token_expired`, `token_invalid`. One with a body: 400 `malformed_body`, 413
`request_entity_too_large`, 415 `unsupported_media_type`. S4 has numbers instead of words; there all
of them are said.
"""

WITHOUT_SAYING = frozenset(
    {
        *("too_many_requests", "unavailable", "bad_gateway"),
        *("token_missing", "token_expired", "token_invalid"),
        *("malformed_body", "request_entity_too_large", "unsupported_media_type"),
    }
)


def render(document: dict[str, Any]) -> str:
    """The whole page."""
    operations = operations_of(document)
    groups = [(tag["name"], tag["description"]) for tag in document["tags"]]
    parts = [HEAD, "\n".join(_contents(groups, operations))]
    for name, description in groups:
        own = [one for one in operations if name in one[2]["tags"]]
        if own:
            parts.append(f"## {name}\n\n{description}")
            parts += [
                _operation(method, path, operation, document) for method, path, operation in own
            ]
    parts.append("## Refusals\n\n" + "\n".join(_refusals(operations)))
    parts.append("## Shapes")
    parts += [_shape(name, shape) for name, shape in document["components"]["schemas"].items()]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _contents(
    groups: list[tuple[str, str]], operations: list[tuple[str, str, dict[str, Any]]]
) -> Iterable[str]:
    yield "| call | what | who |"
    yield "|---|---|---|"
    for name, _ in groups:
        own = [one for one in operations if name in one[2]["tags"]]
        if own:
            yield f"| **[{name}](#{_anchor(name)})** | | |"
        for method, path, operation in own:
            summary = _cell(operation.get("summary", ""))
            yield f"| `{method.upper()} {path}` | {summary} | {callers_of(operation)} |"


def _operation(method: str, path: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    blocks = [f"### `{method.upper()} {path}`", operation.get("summary", ""), text_of(operation)]
    facts = [f"Who may call: {callers_of(operation)}."]
    if parameters := operation.get("parameters"):
        facts += [f"{_parameter(one)}" for one in parameters]
    facts += [_success(status, response) for status, response in successes_of(operation).items()]
    if refusals := _by_status(refusals_of(operation)):
        facts.append("Refusals: " + " · ".join(refusals))
    blocks.append("\n".join(f"- {fact}" for fact in facts))
    if media := body_of(operation):
        blocks += _body(media, document)
    return "\n\n".join(block for block in blocks if block)


def _parameter(parameter: dict[str, Any]) -> str:
    schema = parameter.get("schema", {})
    place = {"path": "Path", "query": "Query", "header": "Header"}[parameter["in"]]
    needed = ", needed" if parameter.get("required") and parameter["in"] != "path" else ""
    told = parameter.get("description") or schema.get("description") or ""
    return f"{place} `{parameter['name']}`: {_type(schema)}{needed}. {_cell(told)}".strip()


def _success(status: str, response: dict[str, Any]) -> str:
    shapes = [
        _type(media.get("schema", {})) + ("" if kind == "application/json" else f" as `{kind}`")
        for kind, media in response.get("content", {}).items()
    ]
    headers = [f"`{name}`" for name in response.get("headers", {})]
    carried = f", with {', '.join(headers)}" if headers else ""
    return f"Answer {status}: {', '.join(shapes) or 'no body'}{carried}"


def _by_status(refusals: list[tuple[str, str, str]]) -> list[str]:
    codes: dict[str, list[str]] = {}
    for status, code, _ in refusals:
        if code not in WITHOUT_SAYING:
            codes.setdefault(status, []).append(f"`{code}`")
    return [f"{status} {', '.join(dict.fromkeys(found))}" for status, found in codes.items()]


def _body(media: dict[str, Any], document: dict[str, Any]) -> Iterable[str]:
    schema = resolved(media.get("schema", {}), document)
    if schema.get("properties"):
        yield "\n".join(_fields(schema))
    example = orjson.dumps(example_of(media, document), option=orjson.OPT_INDENT_2).decode()
    if len(example) <= LONGEST_EXAMPLE:
        yield f"```json\n{example}\n```"


def _fields(schema: dict[str, Any]) -> Iterable[str]:
    needed = schema.get("required", [])
    yield "| field | type | |"
    yield "|---|---|---|"
    for name, field in schema["properties"].items():
        told = " ".join(
            filter(None, ["needed" if name in needed else "", field.get("description", "")])
        )
        yield f"| `{name}` | {_type(field)} | {_cell(told)} |"


def _shape(name: str, schema: dict[str, Any]) -> str:
    described = schema.get("description", "").strip()
    if "properties" in schema:
        rows = "\n".join(
            f"| `{field}` | {_type(part)} |" for field, part in schema["properties"].items()
        )
        return "\n\n".join(
            filter(None, [f"### {name}", described, f"| field | type |\n|---|---|\n{rows}"])
        )
    return "\n\n".join(filter(None, [f"### {name}", described, _type(schema)]))


def _refusals(operations: list[tuple[str, str, dict[str, Any]]]) -> Iterable[str]:
    found = sorted(
        {
            (int(status), code, sentence)
            for _, _, operation in operations
            for status, code, sentence in refusals_of(operation)
            if not code.isdigit()
        }
    )
    yield "| status | code | |"
    yield "|---|---|---|"
    for status, code, sentence in found:
        yield f"| {status} | `{code}` | {_cell(sentence)} |"


def _type(schema: dict[str, Any]) -> str:
    if target := schema.get("$ref"):
        name = target.removeprefix(PREFIX)
        return f"[{name}](#{_anchor(name)})"
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(_type(choice) for choice in choices))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    kind = schema.get("format") if schema.get("type") == "string" else None
    return (kind or str(schema.get("type", "anything"))) + _limits(schema)


def _limits(schema: dict[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    shortest, longest = schema.get("minLength"), schema.get("maxLength")
    said = []
    if least is not None or most is not None:
        said.append(f"{'' if least is None else least}…{'' if most is None else most}")
    if shortest is not None or longest is not None:
        said.append(f"{shortest or 0}…{'' if longest is None else longest} characters")
    if schema.get("default") not in (None, ""):
        said.append(f"default {schema['default']}")
    return f" ({', '.join(said)})" if said else ""


def _anchor(title: str) -> str:
    kept = [letter for letter in title.lower() if letter.isalnum() or letter in " -_"]
    return "".join(kept).replace(" ", "-")


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
