# SPDX-License-Identifier: Apache-2.0
"""The keys that sign access tokens, changed while the shop runs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click
from pydantic import AliasChoices, Field

from auth.config import KeySettings
from auth.models import SigningKey
from auth.rotation import Rotation
from common.db import Database
from common.settings import Address, Secret
from soukctl.console import json_option, say, say_json, say_table, yes_option


class KeysConfig(KeySettings):
    """Auth's settings, under the names that auth or an operator's file has for them."""

    database_url: Address = Field(
        validation_alias=AliasChoices("AUTH_DATABASE_URL", "DATABASE_URL", "DB_URI")
    )
    secret_key: Secret = Field(
        validation_alias=AliasChoices("AUTH_SECRET_KEY", "SECRET_KEY", "JWT_SECRET_KEY")
    )


@click.group()
def keys() -> None:
    """Change the keys that sign access tokens; nobody is logged out, nothing is restarted."""


@keys.command()
@json_option
@click.pass_context
def rotate(context: click.Context, *, as_json: bool) -> None:
    """Show a new key now, and sign with it when everybody has heard of it.

    The old key's tokens stay good until they expire.
    """
    with _rotation(context) as rotation:
        key = rotation.rotate()
    if as_json:
        say_json({"number": key.number, "kid": key.kid, "signs_from": _time(key.signs_from)})
    else:
        say(f"Key {key.number} ({key.kid}) is shown now and signs from {_time(key.signs_from)} on.")


@keys.command("list")
@json_option
@click.pass_context
def list_keys(context: click.Context, *, as_json: bool) -> None:
    """List every key that rotations know, and what it does."""
    with _rotation(context) as rotation:
        now, known = rotation.keys()
    rows = [_shown(key, now, known) for key in known]
    if as_json:
        say_json({"keys": rows})
    elif rows:
        say_table(
            ["", "state", "signs from", "retires", "kid"], [list(row.values()) for row in rows]
        )
    else:
        say("JWT_PRIVATE_KEY signs; there was no rotation yet.")


@keys.command()
@click.argument("number", type=click.IntRange(1))
@yes_option
@json_option
@click.pass_context
def retire(context: click.Context, *, number: int, yes: bool, as_json: bool) -> None:
    """End the key of this NUMBER at once, because it is in wrong hands; 1 is JWT_PRIVATE_KEY.

    Every access token that it signed is refused within a minute and a half; its bearers refresh or
    log in again, guests lose theirs. If it signs now, another key does from this moment on, and for
    up to five seconds a service may not know that one yet.
    """
    if not yes:
        click.confirm(f"Refuse every token that key {number} signed?", abort=True, err=True)
    with _rotation(context) as rotation:
        signing = rotation.retire(number)
    if as_json:
        say_json({"retired": number, "signing": signing.number})
    else:
        say(f"Key {number} is retired; key {signing.number} signs.")


@contextmanager
def _rotation(context: click.Context) -> Iterator[Rotation]:
    try:
        config = KeysConfig.load(env_file=context.find_root().params["env_file"])
    except SystemExit as wrong:
        raise click.UsageError(str(wrong.code), context) from wrong
    database = Database.from_settings(config)
    try:
        yield Rotation(config, config.secret_key.get_secret_value(), database)
    finally:
        database.dispose()


def _shown(key: SigningKey, now: datetime, known: Sequence[SigningKey]) -> dict[str, Any]:
    return {
        "number": key.number,
        "state": _state(key, now, known),
        "signs_from": _time(key.signs_from),
        "retires_at": _time(key.retires_at) if key.retires_at else None,
        "kid": key.kid,
    }


def _state(key: SigningKey, now: datetime, known: Sequence[SigningKey]) -> str:
    if key.is_retired(now):
        return "retired"
    if key.signs_from > now:
        return "shown, will sign"
    due = [one for one in known if one.signs_from <= now and not one.is_retired(now)]
    return "signs" if key is due[-1] else "its tokens are good"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
