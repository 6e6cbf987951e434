# SPDX-License-Identifier: Apache-2.0
"""Where the shop is, and with what its operator gets in. A command asks for what it uses."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from common.settings import SPOILT, Settings, is_whole

SERVICES = ("auth", "catalog", "orders", "notifier", "analytics")


class SettingsMissing(Exception):
    """A command can't work without settings that nobody gave."""


def _url_of(*schemes: str) -> AfterValidator:
    def check(url: str | SecretStr) -> str | SecretStr:
        said = url.get_secret_value() if isinstance(url, SecretStr) else url
        if not said.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValueError(f"must begin with {' or '.join(f'{one}://' for one in schemes)}")
        if not is_whole(said):
            raise ValueError(SPOILT)
        return url

    return AfterValidator(check)


DatabaseURL = Annotated[SecretStr, _url_of("mysql+pymysql")]


class Config(Settings):
    """All that a command may ask for.

    Attributes:
        admin_email: Of an admin that is to be made.
        demo_password: Of the customer that ``seed`` makes.
        amqp_url: With a user who may configure everything: ``doctor`` compares all queues.
        auth_secret_key: Auth's ``SECRET_KEY``, under which signing keys are stored.
        jwt_private_key: Auth's; both for ``keys`` only.
        mail_backend: As notifier has it; without it nobody looks after the mails.
        run_directory: Where a local stack keeps its data; its disk is looked after.
    """

    gateway_url: Annotated[str, _url_of("http", "https")] | None = None
    admin_username: str | None = None
    admin_email: str | None = None
    admin_password: SecretStr | None = None
    demo_password: SecretStr | None = None
    auth_database_url: DatabaseURL | None = None
    catalog_database_url: DatabaseURL | None = None
    orders_database_url: DatabaseURL | None = None
    notifier_database_url: DatabaseURL | None = None
    analytics_database_url: DatabaseURL | None = None
    amqp_url: Annotated[SecretStr, _url_of("amqp", "amqps")] | None = None
    redis_url: Annotated[SecretStr, _url_of("redis", "rediss")] | None = None
    auth_secret_key: SecretStr | None = None
    jwt_private_key: SecretStr | None = None
    mail_backend: str | None = None
    mail_dir: Path | None = None
    run_directory: Path | None = None
    currency: str = Field(default="USD", pattern="^[A-Z]{3}$")

    def need(self, *names: str) -> list[str]:
        """The values of these settings, in this order.

        Raises:
            SettingsMissing: Some are not set; the message names all of them.
        """
        values = {name: getattr(self, name) for name in names}
        if missing := [name.upper() for name, value in values.items() if not value]:
            raise SettingsMissing(
                f"This needs {', '.join(missing)}: set it, or {missing[0]}_FILE, in the "
                "environment or in the file that --env-file names."
            )
        return [
            value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for value in values.values()
        ]

    def database_url(self, service: str) -> str:
        """Where a service's schema is.

        Raises:
            SettingsMissing: Nobody said.
        """
        return self.need(f"{service}_database_url")[0]
