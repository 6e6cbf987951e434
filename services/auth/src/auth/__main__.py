# SPDX-License-Identifier: Apache-2.0
"""Auth's roles: web, worker, migrate; and the first admin."""

import sys

import click

from common.roles import service_roles

cli = service_roles("auth")


@cli.command(
    help="Make ADMIN_USERNAME an admin; whoever exists keeps password and address. "
    "With OPEN_STORE, make the store's seller too."
)
def create_admin() -> None:
    from auth.accounts import ensure_admin  # noqa: PLC0415
    from auth.commands.users import ensure_store  # noqa: PLC0415
    from auth.config import AdminConfig  # noqa: PLC0415
    from auth.epochs import EpochCopies  # noqa: PLC0415
    from auth.passwords import Hashing  # noqa: PLC0415
    from common.access import connect_redis  # noqa: PLC0415
    from common.db import Database  # noqa: PLC0415
    from common.logs import configure_logs  # noqa: PLC0415
    from common.problems import Problem  # noqa: PLC0415

    config = AdminConfig.load()
    configure_logs("auth", config.log_level)
    database = Database.from_settings(config)
    try:
        user = ensure_admin(
            database,
            Hashing(at_once=1, wait_seconds=config.hashing_wait_seconds),
            EpochCopies(connect_redis(config.redis_url.get_secret_value())),
            username=config.admin_username,
            email=config.admin_email,
            password=config.admin_password,
        )
    except Problem as problem:
        sys.exit(f"auth create-admin: {problem.detail}")
    click.echo(f"{user.username} is an admin (user {user.id}).")
    if config.open_store:
        store = database.run(ensure_store)
        click.echo(f"{store.username} sells for strangers (user {store.id}).")


if __name__ == "__main__":
    cli()
