# SPDX-License-Identifier: Apache-2.0
"""The API document as a Postman collection (format 2.1): a folder for each group."""

import re
from typing import Any

import orjson

from souk_apidocs.document import operations_of
from souk_apidocs.examples import body_of, example_of, sample
from souk_apidocs.refusals import text_of

FORMAT = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
LOCAL_GATEWAY = "http://127.0.0.1:8080"

GIVES_TOKENS = re.compile(r"/(?:login|signup|SignIn|refresh)$|^/customer/add$")
TAKES_REFRESH_TOKEN = "/api/auth/refresh"  # noqa: S105 - a path
RAW = "S4 Mithril"

KEEP_TOKENS = """\
if (pm.response.code < 300) {
  const body = pm.response.json();
  const inside = body.data || body;
  const token = inside.access_token || inside.token || inside.Token;
  if (token) pm.collectionVariables.set("token", token);
  if (inside.refresh_token) pm.collectionVariables.set("refresh_token", inside.refresh_token);
}"""


def render(document: dict[str, Any]) -> dict[str, Any]:
    """The collection. Logging in, on whichever surface, keeps the token for all that follows."""
    operations = operations_of(document)
    folders = [
        {
            "name": tag["name"],
            "description": tag["description"],
            "item": [
                _request(method, path, operation, document)
                for method, path, operation in operations
                if tag["name"] in operation["tags"]
            ],
        }
        for tag in document["tags"]
    ]
    return {
        "info": {
            "name": document["info"]["title"],
            "description": document["info"]["description"],
            "schema": FORMAT,
        },
        "auth": _bearer("{{token}}"),
        "variable": [
            {"key": "baseUrl", "value": LOCAL_GATEWAY},
            {"key": "token", "value": ""},
            {"key": "refresh_token", "value": ""},
        ],
        "item": [folder for folder in folders if folder["item"]],
    }


def _request(
    method: str, path: str, operation: dict[str, Any], document: dict[str, Any]
) -> dict[str, Any]:
    parameters = operation.get("parameters", [])
    headers = [{"key": "Accept", "value": "*/*"}]
    headers += [_header(one, document) for one in parameters if one["in"] == "header"]
    request: dict[str, Any] = {
        "method": method.upper(),
        "description": text_of(operation),
        "header": headers,
        "url": _address(path, parameters, document),
    }
    if own := _own_auth(path, operation):
        request["auth"] = own
    if media := body_of(operation):
        headers.append({"key": "Content-Type", "value": "application/json"})
        request["body"] = _body(example_of(media, document))
    item: dict[str, Any] = {"name": operation.get("summary") or path, "request": request}
    if method == "post" and GIVES_TOKENS.search(path):
        script = {"type": "text/javascript", "exec": KEEP_TOKENS.splitlines()}
        item["event"] = [{"listen": "test", "script": script}]
    return item


def _header(parameter: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    # Every order needs a key of its own, which Postman makes.
    wanted = (
        "{{$guid}}"
        if parameter["name"] == "Idempotency-Key"
        else str(sample(parameter.get("schema", {}), document, parameter["name"]))
    )
    optional = {} if parameter.get("required") else {"disabled": True}
    return {"key": parameter["name"], "value": wanted, **optional}


def _address(
    path: str, parameters: list[dict[str, Any]], document: dict[str, Any]
) -> dict[str, Any]:
    parts = re.sub(r"\{(\w+)\}", r":\1", path).strip("/").split("/")
    variables = [
        {"key": one["name"], "value": str(sample(one.get("schema", {}), document, one["name"]))}
        for one in parameters
        if one["in"] == "path"
    ]
    query = [_query(one) for one in parameters if one["in"] == "query"]
    address: dict[str, Any] = {
        "raw": "{{baseUrl}}/" + "/".join(parts),
        "host": ["{{baseUrl}}"],
        "path": parts,
    }
    if query:
        address["query"] = query
    if variables:
        address["variable"] = variables
    return address


def _query(parameter: dict[str, Any]) -> dict[str, Any]:
    default = parameter.get("schema", {}).get("default")
    told = parameter.get("description", "")
    return {
        "key": parameter["name"],
        "value": "" if default is None else str(default),
        "disabled": not parameter.get("required", False),
        **({"description": told} if told else {}),
    }


def _body(example: Any) -> dict[str, Any]:
    text = orjson.dumps(example, option=orjson.OPT_INDENT_2).decode()
    text = re.sub(r'("refresh_token": )"[^"]*"', r'\1"{{refresh_token}}"', text)
    return {"mode": "raw", "raw": text, "options": {"raw": {"language": "json"}}}


def _own_auth(path: str, operation: dict[str, Any]) -> dict[str, Any] | None:
    """How a request differs from the collection's way to say who asks."""
    if path == TAKES_REFRESH_TOKEN:
        return _bearer("{{refresh_token}}")
    if not operation.get("security"):
        return {"type": "noauth"}
    if RAW in operation["tags"]:
        named = {"key": "Authorization", "value": "{{token}}", "in": "header"}
        return {
            "type": "apikey",
            "apikey": [
                {"key": key, "value": value, "type": "string"} for key, value in named.items()
            ],
        }
    return None


def _bearer(value: str) -> dict[str, Any]:
    return {"type": "bearer", "bearer": [{"key": "token", "value": value, "type": "string"}]}
