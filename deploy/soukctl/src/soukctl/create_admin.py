# SPDX-License-Identifier: Apache-2.0
"""The first admin, and any other."""

import click
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from auth.accounts import ensure_admin
from auth.epochs import EpochCopies
from auth.names import EmailAddress, Username
from auth.passwords import Hashing, Password
from common.access import connect_redis
from soukctl.config import Config
from soukctl.console import json_option, say, say_json
from soukctl.databases import database_of


class Admin(BaseModel):
    """Who shall be an admin, by auth's own rules."""

    model_config = ConfigDict(hide_input_in_errors=True)

    username: Username
    email: EmailAddress
    password: Password


@click.command("create-admin")
@click.option("--username", help="Who shall be an admin.  [default: ADMIN_USERNAME]")
@click.option("--email", help="Of a new account.  [default: ADMIN_EMAIL]")
@json_option
@click.pass_obj
def create_admin(config: Config, *, username: str | None, email: str | None, as_json: bool) -> None:
    """Make somebody an admin; who has an account keeps its password and address.

    ADMIN_USERNAME's password comes from ADMIN_PASSWORD where that is set; any other is asked for.
    """
    admin = _checked(config, username, email)
    redis = connect_redis(*config.need("redis_url"))
    with database_of(config, "auth") as database:
        user = ensure_admin(
            database,
            Hashing(at_once=1, wait_seconds=1),
            EpochCopies(redis),
            username=admin.username,
            email=admin.email,
            password=admin.password,
        )
    if as_json:
        say_json({"id": user.id, "username": user.username})
    else:
        say(f"{user.username} is an admin (user {user.id}).")


def _checked(config: Config, username: str | None, email: str | None) -> Admin:
    is_own = username in {None, config.admin_username}
    password = config.admin_password if is_own else None
    if not email:
        email = config.need("admin_email")[0] if is_own else click.prompt("Email", err=True)
    try:
        return Admin(
            username=username or config.need("admin_username")[0],
            email=email,
            password=password or SecretStr(_ask_for_password()),
        )
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        said = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in faults]
        raise click.UsageError("; ".join(said)) from error


def _ask_for_password() -> str:
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password
