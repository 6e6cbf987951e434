# SPDX-License-Identifier: Apache-2.0
"""Auth and catalog behind one address, as the gateway has them, on a real database."""

import threading
from collections.abc import Callable, Iterator, Mapping
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr
from redis import Redis
from werkzeug.serving import WSGIRequestHandler, make_server

from auth.accounts import ensure_admin
from auth.app import create_app as create_auth
from auth.config import Config as AuthConfig
from auth.epochs import EpochCopies
from auth.passwords import Hashing
from catalog.app import create_app as create_catalog
from catalog.config import Config as CatalogConfig
from common.db import Database
from soukctl.config import SERVICES

ADMIN, EMAIL, PASSWORD = "root", "root@example.com", "correct horse battery staple"


class _Quiet(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        """Nobody reads it."""


class Address:
    """Both services on one port; which one answers is told by the path."""

    def __init__(self) -> None:
        self.apps: dict[str, WSGIApplication] = {}
        self._server = make_server(
            "127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _answer(self, environ: WSGIEnvironment, start: StartResponse) -> object:
        is_catalog = environ["PATH_INFO"].startswith("/v1/products")
        return self.apps["catalog" if is_catalog else "auth"](environ, start)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture(scope="session")
def address(
    service_settings: Callable[..., object], database_of: Callable[[str], Database]
) -> Iterator[Address]:
    address = Address()
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    where = {"auth_url": address.url, "jwks_url": f"{address.url}/.well-known/jwks.json"}
    auth, catalog = database_of("auth"), database_of("catalog")
    config = service_settings(AuthConfig, database=auth, jwt_private_key=key.decode(), **where)
    address.apps["auth"] = create_auth(config, database=auth)
    config = service_settings(CatalogConfig, database=catalog, **where)
    address.apps["catalog"] = create_catalog(config, database=catalog)
    try:
        yield address
    finally:
        address.close()


@pytest.fixture
def auth(
    database_of: Callable[[str], Database], clean: Callable[[Database], None], redis_url: str
) -> Database:
    database = database_of("auth")
    clean(database)
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
    return database


@pytest.fixture
def catalog(database_of: Callable[[str], Database], clean: Callable[[Database], None]) -> Database:
    database = database_of("catalog")
    clean(database)
    return database


@pytest.fixture
def settings(
    address: Address, auth: Database, catalog: Database, redis_url: str
) -> Mapping[str, str]:
    """A shop with one admin."""
    with Redis.from_url(redis_url) as redis:
        ensure_admin(
            auth,
            Hashing(at_once=1, wait_seconds=5),
            EpochCopies(redis),
            username=ADMIN,
            email=EMAIL,
            password=SecretStr(PASSWORD),
        )
    return {
        "GATEWAY_URL": address.url,
        "ADMIN_USERNAME": ADMIN,
        "ADMIN_EMAIL": EMAIL,
        "ADMIN_PASSWORD": PASSWORD,
        "AUTH_DATABASE_URL": auth.engine.url.render_as_string(hide_password=False),
        "CATALOG_DATABASE_URL": catalog.engine.url.render_as_string(hide_password=False),
        "REDIS_URL": redis_url,
    }


@pytest.fixture
def turn_to(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str]], None]:
    """Turns the command to these schemas of the services."""

    def turn(urls: Mapping[str, str]) -> None:
        for service, url in urls.items():
            monkeypatch.setenv(f"{service.upper()}_DATABASE_URL", url)

    return turn


@pytest.fixture
def target(
    new_schema: Callable[[str], str], turn_to: Callable[[Mapping[str, str]], None]
) -> Callable[[], Mapping[str, str]]:
    """Turns the command to fresh, empty schemas."""

    def turn() -> Mapping[str, str]:
        urls = {service: new_schema(service) for service in SERVICES}
        turn_to(urls)
        return urls

    return turn
