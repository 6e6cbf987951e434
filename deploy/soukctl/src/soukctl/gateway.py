# SPDX-License-Identifier: Apache-2.0
"""The gateway as a client sees it: JSON over HTTP, with the standard library alone."""

import http.client
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

TIMEOUT_SECONDS = 20.0
PAUSE_SECONDS = 1.0
START_SECONDS = 30.0
"""The patience with a stack that has just begun: its machine is busy, and it may answer 503."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any

    @property
    def said(self) -> str:
        """A problem's own sentence, with what is wrong with each field; else all of the body."""
        if not isinstance(self.body, dict) or "detail" not in self.body:
            return str(self.body)
        errors = self.body.get("errors")
        return f"{self.body['detail']} {json.dumps(errors)}" if errors else self.body["detail"]


@dataclass(frozen=True)
class GatewayClient:
    """Calls the gateway at *url*, as the bearer of *token* if there is one.

    Attributes:
        patience_seconds: So long a call is repeated that is answered 503; it may be done twice.
    """

    url: str
    token: str | None = None
    timeout_seconds: float = TIMEOUT_SECONDS
    patience_seconds: float = 0.0

    def get(self, path: str) -> Answer:
        return self._call("GET", path, None, {})

    def post(self, path: str, body: object, **headers: str) -> Answer:
        return self._call("POST", path, body, headers)

    def put(self, path: str, body: object) -> Answer:
        return self._call("PUT", path, body, {})

    def delete(self, path: str) -> Answer:
        return self._call("DELETE", path, None, {})

    def logged_in(self, login: str, password: str) -> "GatewayClient":
        """The same client as this user.

        Raises:
            PermissionError: the gateway did not accept the login.
        """
        answer = self.post("/v1/auth/login", {"login": login, "password": password})
        if answer.status != HTTPStatus.OK:
            raise PermissionError(f"{login} could not log in: {answer.status} {answer.said}")
        return replace(self, token=answer.body["access_token"])

    def is_ready(self) -> bool:
        """Whether the whole stack behind the gateway is ready."""
        return self.readiness().status == HTTPStatus.OK

    def readiness(self) -> Answer:
        """What the gateway says about the stack; 503 also for a gateway that is not there."""
        try:
            return self.get("/readyz")
        except OSError as error:
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, str(error))

    def _call(self, method: str, path: str, body: object, headers: dict[str, str]) -> Answer:
        sent = {"Accept": "application/json", "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, sent, method=method)  # noqa: S310
        try:
            return self._patient_answer_to(request)
        except http.client.HTTPException as error:
            # For callers who breaks off, or speaks something else, is as good as silent.
            raise OSError(f"no whole answer, {error!r}") from error

    def _patient_answer_to(self, request: urllib.request.Request) -> Answer:
        deadline = time.monotonic() + self.patience_seconds
        while True:
            answer = self._answer_to(request)
            is_refused = answer.status == HTTPStatus.SERVICE_UNAVAILABLE
            if not is_refused or time.monotonic() >= deadline:
                return answer
            time.sleep(PAUSE_SECONDS)

    def _answer_to(self, request: urllib.request.Request) -> Answer:
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_seconds) as answer:  # noqa: S310
                return Answer(answer.status, _decoded(answer.read()))
        except urllib.error.HTTPError as refusal:
            with refusal:
                return Answer(refusal.code, _decoded(refusal.read()))


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")
