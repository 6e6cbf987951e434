# SPDX-License-Identifier: Apache-2.0
"""Pictures come and go; their bytes are stored once, and go with the last of them."""

from sqlalchemy import delete, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from catalog.errors import PictureNotFound, PictureNotStored, ProductNotFound
from catalog.models import Picture, PictureContent, Product
from catalog.picture_formats import Upload
from common.clock import utcnow
from common.db import LOST_RACES, NOT_AVAILABLE, error_number
from common.problems import Forbidden
from common.tokens import Identity


def add_picture(
    session: Session, *, upload: Upload, owner: Identity, product_id: int | None = None
) -> Picture:
    """Store a picture, of a product or of nothing in particular.

    Raises:
        ProductNotFound
        Forbidden: The product is neither the owner's nor is the owner an admin.
        PictureNotStored: The database has refused it, and would again.

    Effects:
        Locks the content, where these bytes are known already.

    Proved by services/catalog/tests/integration/test_picture_races.py.
    """
    if product_id is not None:
        _must_be_own(session, product_id, owner)
    picture = Picture(
        user_id=owner.user_id,
        username=owner.username,
        product_id=product_id,
        content_hash=upload.content_hash,
        media_type=upload.media_type,
        bytes=len(upload.data),
        created_at=utcnow(),
    )
    try:
        _store(session, picture, upload.data)
    except DBAPIError as error:
        if error_number(error) in LOST_RACES | NOT_AVAILABLE:
            raise
        raise PictureNotStored from error
    return picture


def delete_picture(session: Session, *, picture_id: int, actor: Identity) -> None:
    """Delete a picture, and its bytes where no other picture has the same.

    Raises:
        PictureNotFound
        Forbidden: It is neither the actor's nor is the actor an admin.

    Effects:
        Locks the content.
    """
    picture = session.get(Picture, picture_id)
    if picture is None:
        raise PictureNotFound
    if not actor.is_admin and picture.user_id != actor.user_id:
        raise Forbidden("Only its uploader and admins may delete a picture.")
    lock_content(session, picture.content_hash)
    found = session.get(Picture, picture_id, populate_existing=True)
    if found is None:
        # Somebody else deleted it while this waited for the lock.
        raise PictureNotFound
    session.delete(found)
    session.flush()
    twins = select(Picture.id).where(Picture.content_hash == picture.content_hash).limit(1)
    if session.scalar(twins) is None:
        session.execute(
            delete(PictureContent).where(PictureContent.content_hash == picture.content_hash)
        )


def lock_content(session: Session, content_hash: bytes) -> bool:
    """Lock the bytes with this hash, without reading them; returns whether there are any.

    Both who adds a picture and who deletes one come here first: else the last picture's deletion
    could take away the bytes that a new picture has just found.
    """
    query = (
        select(PictureContent.content_hash)
        .where(PictureContent.content_hash == content_hash)
        .with_for_update()
    )
    return session.scalar(query) is not None


def _store(session: Session, picture: Picture, data: bytes) -> None:
    if not lock_content(session, picture.content_hash):
        # Two who bring the same bytes at once: the second's key is taken, and it runs again.
        session.add(PictureContent(content_hash=picture.content_hash, data=data))
        session.flush()
    session.add(picture)
    session.flush()


def _must_be_own(session: Session, product_id: int, owner: Identity) -> None:
    product = session.get(Product, product_id)
    if product is None or not product.is_listed:
        raise ProductNotFound
    if not owner.is_admin and product.seller_id != owner.user_id:
        raise Forbidden("Only its seller and admins may add pictures to a product.")
