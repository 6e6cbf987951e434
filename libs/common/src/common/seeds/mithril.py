# SPDX-License-Identifier: Apache-2.0
"""S4's envelope: every answer, a refusal too, is ``{message, code, data}``."""

import re
from typing import Any, Generic, TypeVar

import orjson
from flask import Response, request
from pydantic import BaseModel, ConfigDict

from common.problems import Problem

T = TypeVar("T")

PATH = re.compile(r"/api/(?:user|picture)(?:/|$)")
DONE = 0
BODY, TAKEN, NO_SUCH_USER, WRONG_PASSWORD, NOT_BASE64 = 2, 3, 4, 5, 6
TOKEN_MISSING, TOKEN_EXPIRED, TOKEN_INVALID, NOT_STORED, QUERY = 7, 8, 9, 10, 11

REFUSALS: dict[str, tuple[int, int]] = {
    "malformed_body": (400, BODY),
    "bad_request": (400, BODY),
    "unsupported_media_type": (400, BODY),
    "invalid": (400, BODY),
    "request_entity_too_large": (413, BODY),
    "username_taken": (409, TAKEN),
    "no_such_user": (404, NO_SUCH_USER),
    "wrong_password": (401, WRONG_PASSWORD),
    "not_base64": (400, NOT_BASE64),
    "token_missing": (403, TOKEN_MISSING),
    "token_expired": (401, TOKEN_EXPIRED),
    "token_invalid": (401, TOKEN_INVALID),
    "picture_not_stored": (500, NOT_STORED),
}
"""Status and number for our codes. What the seed has no number for keeps its status as both."""


class Envelope(BaseModel, Generic[T]):
    """How S4 answers; *code* is 0 when all is well."""

    model_config = ConfigDict(frozen=True)

    message: str
    code: int
    data: T


class Refusal(Envelope[None]):
    """How S4 says no."""


def done(data: BaseModel | None, status: int = 200, message: str = "OK") -> Response:
    """An answer that is no refusal."""
    inside = data.model_dump() if data is not None else None
    return _response({"message": message, "code": DONE, "data": inside}, status)


def refusal(problem: Problem) -> Response:
    """A problem in the envelope."""
    status, code = REFUSALS.get(problem.code, (problem.status, problem.status))
    if problem.code == "invalid" and request.method in {"GET", "HEAD"}:
        code = QUERY
    response = _response({"message": _message(problem), "code": code, "data": None}, status)
    response.headers.update(problem.headers)
    return response


def _message(problem: Problem) -> str:
    """The sentence, with what is wrong in each field: the envelope has no other place for it."""
    faults = [
        f"{field}: {', '.join(wrong) if isinstance(wrong, list) else wrong}"
        for field, wrong in problem.errors.items()
    ]
    return " ".join([problem.detail, "; ".join(faults)]).strip()


def _response(body: dict[str, Any], status: int) -> Response:
    return Response(orjson.dumps(body), status, content_type="application/json")
