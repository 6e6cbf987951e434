# SPDX-License-Identifier: Apache-2.0
"""What may come in, and what goes out, about pictures: on ``/v1`` and on S4."""

from typing import Annotated

from flask import url_for
from pydantic import Field

from catalog.models import Picture
from common.clock import rfc3339
from common.schemas import Line, Page, Query, Schema, Shown

SMALLEST_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)
"""One pixel, for the API document's examples."""

Username = Annotated[str, Field(max_length=80)]
ProductId = Annotated[int, Field(ge=1, lt=2**63)]
ProductRef = Annotated[Line, Field(min_length=1, max_length=64)]
MOST_PAGES = 10_000


class NewPictureIn(Schema):
    """A picture in base64, bare or as a ``data:`` URL, and the product that it shows, if any."""

    model_config = Schema.model_config | {
        "json_schema_extra": {"examples": [{"data": SMALLEST_PNG, "product": "shoe-1"}]}
    }

    data: str
    product: ProductId | ProductRef | None = None


class PictureQuery(Page):
    """Whose pictures, and of which product."""

    username: Username | None = None
    product: ProductRef | None = None


class PictureOut(Shown):
    id: int
    username: str
    product_id: int | None
    media_type: str
    bytes: int
    sha256: str
    url: str
    created_at: str

    @classmethod
    def of(cls, picture: Picture) -> "PictureOut":
        return cls(
            id=picture.id,
            username=picture.username,
            product_id=picture.product_id,
            media_type=picture.media_type,
            bytes=picture.bytes,
            sha256=picture.content_hash.hex(),
            url=url_for("pictures.get_picture", ref=picture.id),
            created_at=rfc3339(picture.created_at),
        )


class PicturesOut(Shown):
    items: list[PictureOut]
    next_cursor: str | None


class MithrilPictureIn(Schema):
    """A picture in base64."""

    model_config = Schema.model_config | {
        "json_schema_extra": {"examples": [{"data": SMALLEST_PNG}]}
    }

    data: str


class MithrilPictureQuery(Query):
    """Which page, and whose pictures: everybody's, where no name is given or an empty one."""

    page: Annotated[int, Field(ge=1, le=MOST_PAGES)] = 1
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    username: Username = ""


class MithrilNewPictureOut(Shown):
    id: int


class MithrilPictureOut(Shown):
    id: int
    username: str
    data: str


class MithrilPicturesOut(Shown):
    total: int
    page: int
    limit: int
    pictures: list[MithrilPictureOut]
