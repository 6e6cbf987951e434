# SPDX-License-Identifier: Apache-2.0
"""Pictures on the canonical API."""

import hashlib
from typing import Any

import orjson
from apiflask import APIBlueprint
from flask import Response, request

from catalog import picture_queries as queries
from catalog.commands.pictures import add_picture, delete_picture
from catalog.errors import (
    NotBase64,
    PictureFormat,
    PictureNotFound,
    PictureNotStored,
    PictureTooLarge,
    ProductNotFound,
)
from catalog.models import Picture
from catalog.picture_formats import FORMATS, read_upload
from catalog.picture_schemas import NewPictureIn, PictureOut, PictureQuery, PicturesOut
from catalog.queries import product_by_ref
from common.access import identity, public, requires
from common.app import cursors, database
from common.problems import Forbidden
from common.spec import refuses

blueprint = APIBlueprint("pictures", __name__, url_prefix="/v1/pictures", tag="pictures")

MOST_BODY_BYTES = 7 * 1024 * 1024 + 512 * 1024
"""5 MiB in base64 with line breaks, and the JSON around it."""
KEPT_SECONDS = 300
"""So long a reader may show a picture that was deleted meanwhile."""

IMAGE: dict[int | str, dict[str, str | dict[str, dict[str, Any]]]] = {
    200: {
        "description": "The picture as it was uploaded.",
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in FORMATS
        },
    },
    304: {"description": "You have it already."},
}


@blueprint.before_request
def take_large_body() -> None:
    """Allow bodies as large as the largest picture, where all other routes take far less."""
    request.max_content_length = MOST_BODY_BYTES


@blueprint.post("")
@requires()
@refuses(
    *(NotBase64, PictureFormat, PictureTooLarge, PictureNotStored),
    *(ProductNotFound, Forbidden),
)
@blueprint.input(NewPictureIn, arg_name="wanted")
@blueprint.output(PictureOut, status_code=201)
def post_picture(wanted: NewPictureIn) -> tuple[PictureOut, int, dict[str, str]]:
    """Upload a picture, of one of the own products or of nothing in particular.

    PNG, JPEG, GIF or WebP by its content, 5 MiB at most. A picture outlives its product: it stays
    until it is deleted itself.
    """
    upload = read_upload(wanted.data)
    product_id = _product_id(wanted.product)
    picture = database().run(add_picture, upload=upload, owner=identity(), product_id=product_id)
    shown = PictureOut.of(picture)
    return shown, 201, {"Location": shown.url}


@blueprint.get("")
@requires()
@refuses(ProductNotFound)
@blueprint.input(PictureQuery, location="query", arg_name="wanted")
@blueprint.output(PicturesOut)
def get_pictures(wanted: PictureQuery) -> PicturesOut:
    """List pictures, newest first: everybody's, one user's, or one product's."""
    listing = _listing(wanted)
    page = database().read(
        queries.list_pictures,
        username=wanted.username,
        product_id=_product_id(wanted.product),
        limit=wanted.limit,
        before=cursors().read(listing, wanted.cursor)[0] if wanted.cursor else None,
    )
    shown = page[: wanted.limit]
    more = len(page) > wanted.limit
    return PicturesOut(
        items=[PictureOut.of(picture) for picture in shown],
        next_cursor=cursors().make(listing, [shown[-1].id]) if more else None,
    )


@blueprint.get("/<ref>/raw")
@public
@refuses(PictureNotFound)
@blueprint.doc(responses=IMAGE)
def get_picture(ref: str) -> Response:
    """Show the picture itself, to anybody: an ``<img>`` sends no token."""
    picture = database().read(queries.picture_by_ref, ref)
    response = _image(picture)
    # The hash is known without the bytes: who has the picture already costs no read of it.
    if not request.if_none_match.contains_weak(picture.content_hash.hex()):
        content = database().read(queries.content_of, picture.id)
        if content is None:
            raise PictureNotFound
        response.set_data(content)
    response.make_conditional(request)
    return response


@blueprint.delete("/<ref>")
@requires()
@refuses(PictureNotFound, Forbidden)
@blueprint.output({}, status_code=204)
def delete_one_picture(ref: str) -> tuple[str, int]:
    """Delete an own picture; admins delete any."""
    picture = database().read(queries.picture_by_ref, ref)
    database().run(delete_picture, picture_id=picture.id, actor=identity())
    return "", 204


def _product_id(ref: int | str | None) -> int | None:
    if ref is None:
        return None
    return database().read(product_by_ref, str(ref)).id


def _listing(wanted: PictureQuery) -> str:
    """The list's name and filters in few characters: its cursors are good for no other."""
    filters = orjson.dumps([wanted.username, wanted.product])
    return "pictures/" + hashlib.sha256(filters).hexdigest()[:16]


def _image(picture: Picture) -> Response:
    """An answer that a browser shows as an image, whatever else somebody may have hidden in it."""
    response = Response(content_type=picture.media_type)
    response.set_etag(picture.content_hash.hex())
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    extension = picture.media_type.partition("/")[2]
    response.headers["Content-Disposition"] = f'inline; filename="picture-{picture.id}.{extension}"'
    response.headers["Cache-Control"] = f"public, max-age={KEPT_SECONDS}"
    return response
