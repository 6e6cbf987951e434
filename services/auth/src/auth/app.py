# SPDX-License-Identifier: Apache-2.0
"""Auth's front door. Wiring only."""

from apiflask import APIFlask
from redis import Redis

from auth import queries
from auth.accounts import Accounts
from auth.config import Config
from auth.epochs import EpochCopies
from auth.keyring import Keyring
from auth.keys import AccessTokens, EnvironmentKeys
from auth.passwords import Hashing
from auth.routes import (
    internal,
    keys,
    s0_simple_project,
    s1_marketplace,
    s2_catalog,
    s3_online_store,
    s4_mithril,
    v1,
)
from auth.sealing import Seal
from auth.steady import SteadyTokens
from auth.throttle import Throttle
from common.access import Epochs, Guard, Reader, connect_redis
from common.app import create_service
from common.db import Database
from common.health import Check
from common.tokens import KeySet, ServiceTokens, Verifier

ROOMS = (
    *(v1, s0_simple_project, s1_marketplace, s2_catalog, s3_online_store, s4_mithril),
    *(internal, keys),
)


def create_app(config: Config | None = None, *, database: Database | None = None) -> APIFlask:
    config = config or Config.load()
    database = database or Database.for_requests(config)
    redis = connect_redis(config.redis_url.get_secret_value())
    keyring = keyring_of(config, database)
    tokens = access_tokens(config, keyring)
    app = create_service(
        "auth",
        config,
        [room.blueprint for room in ROOMS],
        database=database,
        guard=own_guard(config, database, redis, tokens),
    )
    app.extensions["accounts"] = accounts_of(config, database, redis, tokens)
    app.extensions["access_tokens"] = tokens
    app.extensions["checks"].append(Check(name="signing_key", ask=keyring.signing))
    return app


def accounts_of(config: Config, database: Database, redis: Redis, tokens: AccessTokens) -> Accounts:
    return Accounts(
        config,
        database=database,
        tokens=tokens,
        steady=SteadyTokens(
            config.secret_key.get_secret_value(),
            issuer=config.token_issuer,
            seconds=config.steady_token_seconds,
        ),
        hashing=Hashing(at_once=config.hashing_at_once, wait_seconds=config.hashing_wait_seconds),
        throttle=Throttle(redis, free_failures=config.login_free_failures),
        copies=EpochCopies(redis),
    )


def keyring_of(config: Config, database: Database) -> Keyring:
    return Keyring(
        EnvironmentKeys(config.jwt_private_key.get_secret_value(), config.jwt_previous_public_keys),
        Seal(config.secret_key.get_secret_value()),
        database,
    )


def access_tokens(config: Config, keyring: Keyring) -> AccessTokens:
    return AccessTokens(
        keyring,
        issuer=config.token_issuer,
        audience=config.token_audience,
        seconds=config.access_token_seconds,
        guest_seconds=config.guest_token_seconds,
    )


def own_guard(config: Config, database: Database, redis: Redis, tokens: AccessTokens) -> Guard:
    """Auth asks itself: its own keys and its own database, without HTTP."""
    return Guard(
        Verifier(
            KeySet(tokens.key_set), issuer=config.token_issuer, audience=config.token_audience
        ),
        Epochs(Reader(redis), lambda user_id: database.read(queries.epoch_of_user, user_id)),
        ServiceTokens(config.service_token_key.get_secret_value(), "auth"),
    )
