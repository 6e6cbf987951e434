# SPDX-License-Identifier: Apache-2.0
"""A client of the shop, as a test would write it: one URL, one person."""

import email
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests

from common.testing import eventually
from support.openapi import served_document

PASSWORD = "a long sentence nobody guesses"

ANSWER_SECONDS = 120
"""The gateway gives an audit so long: behind a flash sale of the same stack it has much to read."""

REPEATABLE = {"GET", "HEAD", "PUT", "DELETE"}
LATE_SECONDS = 0.2
"""The shortest limit of a request is Redis' 0.25 s: a 503 that comes sooner is no stall's."""


@dataclass
class Person:
    """Somebody with a browser; *token* is None until they log in.

    Attributes:
        expects_documented: Every answer has to be one that ``/openapi.json`` promises.
        asks_again: A 503 that came late is no answer yet, where the question may be repeated.
    """

    url: str
    id: int = 0
    username: str = ""
    token: str | None = None
    refresh_token: str | None = None
    expects_documented: bool = True
    asks_again: bool = True
    session: requests.Session = field(default_factory=requests.Session, repr=False)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """One answer; what may be repeated is, once a machine that stalls has made it a 503."""
        answer = self._call_once(method, path, body, **headers)
        may_be_repeated = method in REPEATABLE or "Idempotency_Key" in headers
        if self.asks_again and may_be_repeated and is_late(answer):
            time.sleep(float(answer.headers.get("Retry-After", 1)))
            answer = self._call_once(method, path, body, **headers)
        return answer

    def _call_once(self, method: str, path: str, body: Any, **headers: str) -> requests.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token and "Authorization" not in sent:
            sent["Authorization"] = f"Bearer {self.token}"
        address = self.url + path
        answer = self.session.request(
            method, address, json=body, headers=sent, timeout=ANSWER_SECONDS
        )
        if self.expects_documented:
            self._must_be_documented(method, path, answer)
        return answer

    def _must_be_documented(self, method: str, path: str, answer: requests.Response) -> None:
        path = path.partition("?")[0]
        served_document().check(method, path, answer.status_code, answer.headers, answer.content)

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> requests.Response:
        return self.call("POST", path, body, **headers)

    def put(self, path: str, body: Any = None) -> requests.Response:
        return self.call("PUT", path, body)

    def patch(self, path: str, body: Any = None, **headers: str) -> requests.Response:
        return self.call("PATCH", path, body, **headers)

    def delete(self, path: str) -> requests.Response:
        return self.call("DELETE", path)

    def refresh(self) -> None:
        """Go on with a new token."""
        answer = self.post("/v1/auth/refresh", {"refresh_token": self.refresh_token})
        assert answer.status_code == 200, answer.text
        self.token, self.refresh_token = (
            answer.json()["access_token"],
            answer.json()["refresh_token"],
        )

    def order(self, body: Any = None, key: str | None = None) -> requests.Response:
        return self.post("/v1/orders", body or {}, Idempotency_Key=key or secrets.token_hex(8))


@dataclass(frozen=True)
class Shop:
    """A running stack seen from outside.

    Attributes:
        run_directory: Holds the credentials and the mails.
        fetch_mails: Brings the latest ones there, where they do not arrive by themselves.
    """

    url: str
    run_directory: Path
    fetch_mails: Callable[[], None] = lambda: None

    def visitor(self) -> Person:
        return Person(self.url)

    def admin(self) -> Person:
        known = json.loads((self.run_directory / "credentials.json").read_text())["admin"]
        return self.log_in(known["username"], known["password"])

    def log_in(self, login: str, password: str = PASSWORD) -> Person:
        person = self.visitor()
        wanted = {"login": login, "password": password}
        answer = _done(lambda: person.post("/v1/auth/login", wanted), 200)
        return _known(person, answer.json()["user"] | answer.json())

    def sign_up(self, name: str = "ada") -> Person:
        person = self.visitor()

        def enter() -> requests.Response:
            username = f"{name}-{secrets.token_hex(4)}"
            address = f"{username}@mail.example"
            wanted = {"username": username, "password": PASSWORD, "email": address}
            return person.post("/v1/auth/signup", wanted)

        answer = _done(enter, 201)
        return _known(person, answer.json())

    def product(self, seller: Person, name: str = "Lamp", **fields: Any) -> dict[str, Any]:
        wanted = {"name": name, "price": "10.00", "quantity": 5} | fields
        answer = _done(lambda: seller.post("/v1/products", wanted), 201)
        product: dict[str, Any] = answer.json()
        return product

    def mails_to(self, address: str, *, naming: str) -> list[EmailMessage]:
        """The mails in the file backend's folder to *address* whose text names *naming*."""
        self.fetch_mails()
        found = [
            email.message_from_bytes(path.read_bytes(), policy=default)
            for path in sorted((self.run_directory / "mail").glob("*.eml"))
        ]
        return [
            mail
            for mail in found
            if address in str(mail["To"]) and naming in mail.get_body(("plain",)).get_content()
        ]

    def wait_for_mail(self, address: str, *, naming: str, subject: str) -> list[EmailMessage]:
        def found() -> list[EmailMessage]:
            mails = self.mails_to(address, naming=naming)
            return [mail for mail in mails if subject in str(mail["Subject"])]

        return eventually(found, seconds=20, what=f"a mail on {naming} to {address}")


def is_late(answer: requests.Response) -> bool:
    """Whether it is a 503 that a limit of time may have made, on a machine that stalls."""
    is_refused = answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    return is_refused and answer.elapsed.total_seconds() > LATE_SECONDS


def _done(ask: Callable[[], requests.Response], status: int) -> requests.Response:
    """The answer with *status*; what a stall has refused is asked once more."""
    answer = ask()
    if is_late(answer):
        answer = ask()
    assert answer.status_code == status, answer.text
    return answer


def _known(person: Person, answer: dict[str, Any]) -> Person:
    person.id = answer["id"]
    person.username = answer["username"]
    person.token = answer["access_token"]
    person.refresh_token = answer["refresh_token"]
    return person
