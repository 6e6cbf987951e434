# SPDX-License-Identifier: Apache-2.0
"""What auth tells the world about a user."""

from typing import TypeVar

from sqlalchemy.orm import Session

from auth.models import User
from common import outbox
from common.contracts import UserChanged, UserDeleted, UserRegistered

UserEvent = TypeVar("UserEvent", UserRegistered, UserChanged, UserDeleted)


def tell(session: Session, kind: type[UserEvent], user: User) -> None:
    """Promise an event of *kind* with the user's data as it is now."""
    event = kind(
        user_id=user.id,
        username=user.username,
        email=user.email,
        fullname=user.fullname,
        role=user.role,
        guest=user.guest,
    )
    outbox.append(session, event, version=user.version)
