# SPDX-License-Identifier: Apache-2.0
"""Notifier's settings."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from common.settings import ServiceSettings

SHORTEST_SES_LEASE_SECONDS = 30
"""Twice what one call to SES may take, so that nobody repeats a mail that is still on its way."""


class Config(ServiceSettings):
    """How mails are sent, and how many at most.

    Attributes:
        mail_backend: ``file`` writes mails into *mail_dir*, ``ses`` sends them.
        email_source: The address that mails come from.
        aws_access_key_id: With the secret key, or neither: then boto3 finds the machine's role.
        mail_gather_seconds: How long after its first event a change is mailed.
        mail_per_second: Of this worker process, whoever the mails are for.
        mail_burst: Single mails a minute and recipient; what is beyond becomes a digest.
        mail_lease_seconds: How long a mail whose worker died waits for another one.
        mail_keep_days: How long finished deliveries, with their addresses, are kept.
    """

    mail_backend: Literal["file", "ses"]
    mail_dir: Path | None = None
    email_source: str = Field(pattern=r"^[^\s@]+@[^\s@]+$")
    region_name: str | None = None
    aws_access_key_id: SecretStr | None = None
    aws_secret_access_key: SecretStr | None = None
    ses_endpoint_url: str | None = None
    mail_gather_seconds: float = Field(default=1.0, ge=0, le=60)
    mail_per_second: float = Field(default=10.0, gt=0, le=10_000)
    mail_burst: int = Field(default=120, ge=1, le=1000)
    mail_lease_seconds: int = Field(default=60, ge=1, le=3600)
    mail_keep_days: int = Field(default=90, ge=1)

    @model_validator(mode="after")
    def _has_what_its_backend_needs(self) -> Self:
        missing = list(self._missing())
        if missing:
            raise ValueError("; ".join(missing))
        return self

    def _missing(self) -> list[str]:
        if self.mail_backend == "file":
            return [] if self.mail_dir else ["MAIL_DIR is needed with MAIL_BACKEND=file"]
        faults = []
        if not self.region_name:
            faults.append("REGION_NAME is needed with MAIL_BACKEND=ses")
        if (self.aws_access_key_id is None) != (self.aws_secret_access_key is None):
            faults.append("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together")
        if self.mail_lease_seconds < SHORTEST_SES_LEASE_SECONDS:
            faults.append(
                f"MAIL_LEASE_SECONDS must be at least {SHORTEST_SES_LEASE_SECONDS} "
                "with MAIL_BACKEND=ses"
            )
        return faults
