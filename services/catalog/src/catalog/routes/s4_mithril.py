# SPDX-License-Identifier: Apache-2.0
"""S4 Mithril's pictures: base64 in, base64 out, everything in its envelope."""

import base64
from collections.abc import Iterator, Sequence

import orjson
from apiflask import APIBlueprint
from flask import Response

from catalog import picture_queries as queries
from catalog.commands.pictures import add_picture
from catalog.errors import NotBase64, PictureFormat, PictureNotStored, PictureTooLarge
from catalog.models import Picture
from catalog.picture_formats import Upload, read_upload
from catalog.picture_schemas import (
    MithrilNewPictureOut,
    MithrilPictureIn,
    MithrilPictureOut,
    MithrilPictureQuery,
    MithrilPicturesOut,
)
from catalog.routes.pictures import take_large_body
from common.access import identity, requires
from common.app import database
from common.db import Database
from common.seeds.mithril import Envelope, done
from common.spec import BodyTooLarge, refuses

blueprint = APIBlueprint("s4", __name__, url_prefix="/api/picture", tag="S4 Mithril")
blueprint.before_request(take_large_body)

NO_PICTURES = b"[]"


@blueprint.post("")
@requires()
@refuses(NotBase64, PictureNotStored)
@blueprint.input(MithrilPictureIn, arg_name="wanted")
@blueprint.output(Envelope[MithrilNewPictureOut], status_code=201)
def post_picture(wanted: MithrilPictureIn) -> Response:
    """Upload a picture: PNG, JPEG, GIF or WebP, 5 MiB at most."""
    picture = database().run(add_picture, upload=_upload(wanted), owner=identity())
    return done(MithrilNewPictureOut(id=picture.id), 201)


@blueprint.get("")
@requires()
@blueprint.input(MithrilPictureQuery, location="query", arg_name="wanted")
@blueprint.output(Envelope[MithrilPicturesOut])
def get_pictures(wanted: MithrilPictureQuery) -> Response:
    """List pictures with their data, newest first: everybody's, or one user's."""
    pictures, total = database().read(
        queries.numbered_page,
        username=wanted.username or None,
        page=wanted.page,
        limit=wanted.limit,
    )
    frame = done(MithrilPicturesOut(total=total, page=wanted.page, limit=wanted.limit, pictures=[]))
    before, after = frame.get_data().rsplit(NO_PICTURES, 1)
    # A hundred pictures may be half a gigabyte: they are read and sent one at a time.
    body = _with_pictures(before + b"[", _shown(database(), pictures), b"]" + after)
    return Response(body, content_type="application/json")


def _upload(wanted: MithrilPictureIn) -> Upload:
    """The picture in a body; S4 has one number for all that is no picture.

    Raises:
        NotBase64
        BodyTooLarge
    """
    try:
        return read_upload(wanted.data)
    except PictureFormat as error:
        raise NotBase64(error.detail) from error
    except PictureTooLarge as error:
        raise BodyTooLarge(error.detail) from error


def _with_pictures(before: bytes, pictures: Iterator[bytes], after: bytes) -> Iterator[bytes]:
    yield before
    for number, picture in enumerate(pictures):
        if number:
            yield b","
        yield picture
    yield after


def _shown(source: Database, pictures: Sequence[Picture]) -> Iterator[bytes]:
    """Each picture as JSON. One that is deleted while the others are sent is left out.

    The database is handed in: when this runs, the request is over.
    """
    for picture in pictures:
        content = source.read(queries.content_of, picture.id)
        if content is not None:
            data = base64.b64encode(content).decode()
            shown = MithrilPictureOut(id=picture.id, username=picture.username, data=data)
            yield orjson.dumps(shown.model_dump())
