# SPDX-License-Identifier: Apache-2.0
"""What auth tells the world."""

from typing import ClassVar

from common.events import Event


class _UserEvent(Event):
    publisher: ClassVar[str] = "auth"

    user_id: int
    username: str
    email: str | None
    fullname: str | None
    role: str
    guest: bool

    def subject(self) -> str:
        return f"user/{self.user_id}"


class UserRegistered(_UserEvent):
    """Somebody has an account now."""


class UserChanged(_UserEvent):
    """An account's data or role is another now; the fields hold the new state."""


class UserDeleted(_UserEvent):
    """An account is gone; the fields hold the last state."""
