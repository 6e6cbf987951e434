# SPDX-License-Identifier: Apache-2.0
"""How a service says no: RFC 9457 problems, as exceptions. Nothing here knows HTTP's library."""

from typing import Any

from common.context import current_trace
from common.events import snake_case


class Problem(Exception):
    """A refusal that the client can read. Subclasses say what is wrong in domain words.

    Attributes:
        status: HTTP status.
        code: A stable word for programs; by default the class name in snake case.
        detail: One sentence for people.
        errors: What is wrong with each field of the request.
        members: Further members of the problem document.
    """

    status: int = 500
    code: str = "internal_server_error"
    detail: str = "Something went wrong."

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" not in cls.__dict__:
            cls.code = snake_case(cls.__name__)

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail or self.detail)
        self.detail = detail or self.detail
        self.errors = errors or {}
        self.headers = headers or {}
        self.members = members

    def document(self, *, instance: str) -> dict[str, Any]:
        return {
            "type": f"/problems/{self.code.replace('_', '-')}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "request_id": current_trace().correlation_id,
            "code": self.code,
            "message": self.detail,
            "errors": self.errors,
            **self.members,
        }


class MalformedBody(Problem):
    status = 400
    detail = "The body is not valid JSON."


class BadRequest(Problem):
    status = 400


class Unauthenticated(Problem):
    """No proof of who asks. The three subclasses say why."""

    status = 401

    def __init__(self, detail: str | None = None, **members: Any) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="souk"'}, **members)


class TokenMissing(Unauthenticated):
    detail = "This needs a token: Authorization: Bearer …"


class TokenExpired(Unauthenticated):
    detail = "The token has expired; get a new one."


class TokenInvalid(Unauthenticated):
    detail = "The token is not valid."


class Forbidden(Problem):
    status = 403
    detail = "You may not do this."


class NotFound(Problem):
    status = 404
    detail = "There is nothing here."


class UnsupportedMediaType(Problem):
    status = 415
    detail = "Send the body as application/json."


class Unprocessable(Problem):
    status = 422
    code = "invalid"
    detail = "The request is understood, but something in it is wrong; see errors."


class Unavailable(Problem):
    """Something that the answer needs is down or too slow. Nothing was promised; try again."""

    status = 503
    detail = "Something that this needs is not available; try again."

    def __init__(self, detail: str | None = None, *, retry_after: int = 1, **members: Any) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)}, **members)
