# SPDX-License-Identifier: Apache-2.0
"""The backend for production: Amazon SES, or whatever speaks its version 2 protocol."""

from email.message import EmailMessage
from typing import TYPE_CHECKING, Self
from uuid import UUID

import boto3
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from notifier.mail.errors import MailRefused, MailUnavailable
from notifier.mail.wire import WIRE

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client

    from notifier.config import Config

CONNECT_SECONDS = 2
READ_SECONDS = 10
SERVER_ERROR = 500
OUR_ACCOUNTS_TROUBLE = frozenset(
    {
        "AccountSuspendedException",
        "LimitExceededException",
        "SendingPausedException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)


class SesBackend:
    """Sends through SES.

    boto3 repeats nothing by itself: after a time-out nobody knows whether the mail was taken, and
    each repetition, counted in our table, may be a second copy.
    """

    def __init__(self, client: "SESV2Client", source: str) -> None:
        self._client = client
        self._source = source

    @classmethod
    def from_config(cls, config: "Config") -> Self:
        key, secret = config.aws_access_key_id, config.aws_secret_access_key
        client = boto3.client(
            "sesv2",
            region_name=config.region_name,
            endpoint_url=config.ses_endpoint_url,
            aws_access_key_id=key.get_secret_value() if key else None,
            aws_secret_access_key=secret.get_secret_value() if secret else None,
            config=ClientConfig(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                retries={"total_max_attempts": 1, "mode": "standard"},
            ),
        )
        return cls(client, config.email_source)

    def send(self, mail_id: UUID, message: EmailMessage) -> None:
        """Hand the mail to SES, under its own Message-ID.

        Raises:
            MailUnavailable: SES does not answer, is throttled or broken, or the account may not
                send now.
            MailRefused: SES does not take this mail; the message is SES's word for why.
        """
        del mail_id
        try:
            self._client.send_email(
                FromEmailAddress=self._source,
                Destination={"ToAddresses": [message["To"].addresses[0].addr_spec]},
                Content={"Raw": {"Data": message.as_bytes(policy=WIRE)}},
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            # SES's sentence names the address, so only its code goes on.
            if status >= SERVER_ERROR or code in OUR_ACCOUNTS_TROUBLE:
                raise MailUnavailable(code) from None
            raise MailRefused(code) from None
        except (BotoCoreError, HTTPClientError) as error:
            raise MailUnavailable(type(error).__name__) from error
