# SPDX-License-Identifier: Apache-2.0
"""What orders asks of auth. Nothing else here knows auth's paths and words."""

from http import HTTPStatus

from common.http import Client
from common.tokens import ServiceTokens
from orders.config import Config
from orders.said import Said, read

AUTH_SECONDS = 1.0


class User(Said):
    """Somebody with an account; a guest has one without a password."""

    id: int
    guest: bool


class Auth:
    """The auth service, behind its internal interface."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @classmethod
    def connect(cls, config: Config) -> "Auth":
        tokens = ServiceTokens(config.service_token_key.get_secret_value(), "orders")
        return cls(Client(config.auth_url, tokens, read_seconds=AUTH_SECONDS))

    def user(self, user_id: int) -> User | None:
        """The user with this id, None for nobody and for the deleted.

        Raises:
            Unavailable: Nobody knows.
        """
        answer = self._client.get(f"/internal/users/{user_id}")
        return None if answer.status == HTTPStatus.NOT_FOUND else read(User, answer)
