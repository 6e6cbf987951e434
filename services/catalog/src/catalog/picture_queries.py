# SPDX-License-Identifier: Apache-2.0
"""Reads of pictures: only ``content_of`` touches their bytes, one picture at a time."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from catalog.errors import PictureNotFound
from catalog.models import Picture, PictureContent

LONGEST_ID = 18
"""Digits of an id that fits its column for certain; nobody will ever have more pictures."""


def picture_by_ref(session: Session, ref: str) -> Picture:
    """The picture whose id a path names.

    Raises:
        PictureNotFound
    """
    is_id = ref.isascii() and ref.isdigit() and len(ref) <= LONGEST_ID
    picture = session.get(Picture, int(ref)) if is_id else None
    if picture is None:
        raise PictureNotFound
    return picture


def content_of(session: Session, picture_id: int) -> bytes | None:
    """A picture's bytes, None where it is gone."""
    query = (
        select(PictureContent.data)
        .join(Picture, Picture.content_hash == PictureContent.content_hash)
        .where(Picture.id == picture_id)
    )
    return session.scalar(query)


def list_pictures(
    session: Session,
    *,
    username: str | None,
    product_id: int | None,
    limit: int,
    before: int | None,
) -> Sequence[Picture]:
    """Pictures, newest first, one more than *limit* where there are more."""
    query = select(Picture)
    if username is not None:
        query = query.where(Picture.username == username)
    if product_id is not None:
        query = query.where(Picture.product_id == product_id)
    if before is not None:
        query = query.where(Picture.id < before)
    return session.scalars(query.order_by(Picture.id.desc()).limit(limit + 1)).all()


def numbered_page(
    session: Session, *, username: str | None, page: int, limit: int
) -> tuple[Sequence[Picture], int]:
    """A page of pictures by its number, newest first, and how many there are on all pages.

    The total is exact, because the seed promises it: an index is counted, never the rows.

    Source: seed 4 (``GET /api/picture``).
    """
    rows = _of_user(select(Picture), username).order_by(Picture.id.desc())
    pictures = session.scalars(rows.offset((page - 1) * limit).limit(limit)).all()
    total = session.scalar(_of_user(select(func.count()).select_from(Picture), username))
    return pictures, total or 0


def _of_user(query: Select[Any], username: str | None) -> Select[Any]:
    return query if username is None else query.where(Picture.username == username)
