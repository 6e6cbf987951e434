# SPDX-License-Identifier: Apache-2.0
"""The backend for development and tests: each mail is one complete ``.eml`` file."""

import os
import tempfile
from email.message import EmailMessage
from pathlib import Path
from uuid import UUID

from notifier.mail.errors import MailUnavailable
from notifier.mail.wire import WIRE


class FileBackend:
    """Writes mails into *folder*, which is made when it is missing.

    The name is the mail's id, which sorts by time. A mail that is repeated after a crash replaces
    itself, so here even that one is there once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, mail_id: UUID, message: EmailMessage) -> None:
        """Write the mail; a reader sees all of it or nothing, also after a power cut.

        Raises:
            MailUnavailable: The folder can't be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._write(self._folder / f"{mail_id}.eml", message.as_bytes(policy=WIRE))
        except OSError as error:
            raise MailUnavailable(error.strerror or type(error).__name__) from error

    def _write(self, path: Path, content: bytes) -> None:
        descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=self._folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
