# SPDX-License-Identifier: Apache-2.0
"""Auth on a real database and a real Redis, with people who have accounts."""

from collections.abc import Callable, Iterator

import pytest
from apiflask import APIFlask
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask.testing import FlaskClient
from pydantic import SecretStr
from redis import Redis
from sqlalchemy import select

from auth.accounts import Accounts
from auth.app import create_app
from auth.commands import users
from auth.config import Config
from auth.models import User
from auth.passwords import Hashing
from common.db import Database
from common.events import Envelope
from common.outbox import outbox_messages

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="session")
def private_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@pytest.fixture(scope="session")
def schema(database_of: Callable[[str], Database]) -> Database:
    return database_of("auth")


@pytest.fixture
def database(schema: Database, clean: Callable[[Database], None], redis: Redis) -> Database:
    clean(schema)
    return schema


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        client.flushdb()
        yield client


@pytest.fixture(scope="session")
def make_config(
    schema: Database, service_settings: Callable[..., Config], private_key: str
) -> Callable[..., Config]:
    def make(**overrides: object) -> Config:
        settings = {"jwt_private_key": private_key, **overrides}
        return service_settings(Config, database=schema, **settings)

    return make


@pytest.fixture(scope="session")
def make_app(schema: Database, make_config: Callable[..., Config]) -> Callable[..., APIFlask]:
    """Makes the application, with other settings where the test names them."""

    def make(**overrides: object) -> APIFlask:
        with pytest.MonkeyPatch.context() as patch:
            # A Redis that a busy machine makes slow is there; without one, see the closed ports.
            patch.setattr("common.access.REDIS_SECONDS", 10.0)
            return create_app(make_config(**overrides), database=schema)

    return make


@pytest.fixture(scope="session")
def one_app(make_app: Callable[..., APIFlask]) -> APIFlask:
    return make_app()


@pytest.fixture
def app(one_app: APIFlask, database: Database) -> APIFlask:
    """The application on an empty database. It is the same one for all tests: a start is slow."""
    return one_app


@pytest.fixture
def client(app: APIFlask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def accounts(app: APIFlask) -> Accounts:
    found: Accounts = app.extensions["accounts"]
    return found


@pytest.fixture(scope="session")
def password_hash() -> str:
    """The hash of ``PASSWORD``; made once, because it is slow on purpose."""
    return Hashing(at_once=1, wait_seconds=1).hash(SecretStr(PASSWORD))


@pytest.fixture
def add_user(database: Database, password_hash: str) -> Callable[..., User]:
    """Gives somebody an account with ``PASSWORD``: ``add_user("ada", role="admin")``."""

    def add(username: str, **fields: object) -> User:
        return database.run(
            users.register_user, username=username, password_hash=password_hash, **fields
        )

    return add


@pytest.fixture
def user_now(database: Database) -> Callable[[int], User]:
    """The row of a user as it is in the database."""
    return lambda user_id: database.read(lambda session: session.get_one(User, user_id))


@pytest.fixture
def events(database: Database) -> Callable[[], list[Envelope]]:
    """The events that wait for the broker, oldest first."""

    def waiting() -> list[Envelope]:
        query = select(outbox_messages.c.body).order_by(outbox_messages.c.seq)
        bodies = database.read(lambda session: session.scalars(query).all())
        return [Envelope.from_json(body) for body in bodies]

    return waiting


@pytest.fixture
def bearer(app: APIFlask) -> Callable[[User], dict[str, str]]:
    """The headers of a user's request, with a token that auth itself would issue."""

    def sign(user: User) -> dict[str, str]:
        return {"Authorization": f"Bearer {app.extensions['access_tokens'].issue(user)}"}

    return sign
