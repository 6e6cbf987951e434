# SPDX-License-Identifier: Apache-2.0
"""Getting mails out of the house. What they say is made in ``notifier.letters``."""

from email.message import EmailMessage
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from notifier.mail.errors import MailRefused, MailUnavailable
from notifier.mail.file import FileBackend

if TYPE_CHECKING:
    from notifier.config import Config

__all__ = ["Backend", "FileBackend", "MailRefused", "MailUnavailable", "backend_of"]


class Backend(Protocol):
    """Takes mails."""

    def send(self, mail_id: UUID, message: EmailMessage) -> None:
        """Hand over *message*. Where this raises, the mail may have been taken all the same.

        Raises:
            MailUnavailable, MailRefused: It was not, as far as anybody knows.
        """


def backend_of(config: "Config") -> Backend:
    """The backend that the settings name."""
    if config.mail_backend == "file":
        assert config.mail_dir is not None
        return FileBackend(config.mail_dir)
    # boto3 takes some 20 MB of memory, which only those pay who send with it.
    from notifier.mail.ses import SesBackend  # noqa: PLC0415

    return SesBackend.from_config(config)
