# SPDX-License-Identifier: Apache-2.0
import base64
import struct
from hashlib import sha256

import pytest

from catalog.errors import NotBase64, PictureFormat, PictureTooLarge
from catalog.picture_formats import MOST_PARTS, MOST_PICTURE_BYTES, media_type_of, read_upload
from catalog.picture_schemas import SMALLEST_PNG

KINDS = ["png", "jpeg", "gif", "webp"]
PAGE = b"<!doctype html><script>alert(document.domain)</script>"
DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'


def text_of(data):
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_known_by_its_content(images, kind):
    assert media_type_of(getattr(images, kind)()) == f"image/{kind}"


def test_a_picture_may_have_a_thumbnail_a_comment_or_a_film_in_it(images):
    with_thumbnail = images.jpeg(segments=[(0xE1, b"Exif\0\0" + images.jpeg())])
    with_second_picture = images.jpeg() + images.jpeg()
    animated = images.gif(images=3)
    extended = images.riff(
        (b"VP8X", bytes(10)), (b"EXIF", b"odd"), (b"VP8 ", b"\0\0\0\x9d\x01\x2a\1\0\1\0")
    )

    assert media_type_of(with_thumbnail) == "image/jpeg"
    assert media_type_of(with_second_picture) == "image/jpeg"
    assert media_type_of(animated) == "image/gif"
    assert media_type_of(extended) == "image/webp"


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_that_breaks_off_is_none(images, kind):
    whole = getattr(images, kind)()

    for length in range(len(whole)):
        with pytest.raises(PictureFormat):
            media_type_of(whole[:length])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PAGE,
        DRAWING,
        b"<?xml version='1.0'?>" + DRAWING,
        b"%PDF-1.7",
        b"BM" + bytes(60),
        b"\0\0\0\x1cftypavif" + bytes(40),
        b"\x89PNG\r\n\x1a\n" + PAGE,
        b"\xff\xd8\xff" + PAGE,
        b"\xff\xd8\xff\xe0" + PAGE,
        b"GIF89a" + PAGE,
        b"GIF89a/*" + PAGE + b"*/",
        b"RIFF" + struct.pack("<I", 4 + len(PAGE)) + b"WEBP" + PAGE,
        b"\xff" * 100,
        b"\xff\xd8" + b"\xff" * 100,
        b"\xff\xd8\xff\xda\0\0\xff\xd9",
    ],
)
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(PictureFormat):
        media_type_of(data)


@pytest.mark.parametrize("kind", ["png", "gif", "webp"])
def test_a_page_behind_a_picture_is_refused(images, kind):
    with pytest.raises(PictureFormat):
        media_type_of(getattr(images, kind)() + PAGE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_before_a_picture_is_refused(images, kind):
    with pytest.raises(PictureFormat):
        media_type_of(PAGE + getattr(images, kind)())


def test_a_png_needs_a_header_an_image_and_true_checksums(images):
    broken = [
        images.png(width=0),
        images.png(depth=3),
        images.png(colour=1),
        images.png().replace(b"IDAT", b"IDAX"),
        images.chunks((b"IHDR", bytes(13)), (b"IEND", b"")),
        images.chunks((b"IEND", b"")),
        images.chunks((b"IHDR", b"short"), (b"IDAT", b""), (b"IEND", b"")),
    ]

    for data in broken:
        with pytest.raises(PictureFormat):
            media_type_of(data)


def test_a_jpeg_needs_a_frame_before_its_scan(images):
    for data in (images.jpeg(components=0), images.jpeg(width=0), images.jpeg(frame=0xC4)):
        with pytest.raises(PictureFormat):
            media_type_of(data)


def test_a_gif_needs_a_size_and_an_image(images):
    for data in (images.gif(width=0), images.gif(images=0)):
        with pytest.raises(PictureFormat):
            media_type_of(data)


def test_a_webp_needs_an_image(images):
    broken = [
        images.riff(),
        images.riff((b"VP8X", bytes(10))),
        images.riff((b"VP8L", b"/\0\0\0\xff")),
        images.riff((b"VP8 ", b"\0\0\0\x9d\x01\x2a\0\0\0\0")),
        images.riff((b"JUNK", PAGE)),
    ]

    for data in broken:
        with pytest.raises(PictureFormat):
            media_type_of(data)


def test_a_file_of_countless_empty_parts_is_refused_soon(images):
    many = 10 * MOST_PARTS
    png, gif = images.png(), images.gif()
    files = [
        png[:-12] + images.chunks((b"aaAa", b""))[8:] * MOST_PARTS + png[-12:],
        b"\xff\xd8" + b"\xff" * many + images.jpeg()[2:],
        b"\xff\xd8" + b"\xff\x01" * many + images.jpeg()[2:],
        gif[:-1] + b"\x21\xf9\0" * many + gif[-1:],
        gif[:-1] + b"\x21\xf9" + b"\1\1" * many + b"\0" + gif[-1:],
        images.riff((b"VP8X", bytes(10)), *[(b"aaaa", b"")] * MOST_PARTS, (b"VP8 ", b"")),
    ]

    for data in files:
        with pytest.raises(PictureFormat):
            media_type_of(data)


def test_base64_may_have_line_breaks_and_be_a_data_url(images):
    picture = images.png()
    letters = text_of(picture)
    broken = "\r\n".join(letters[at : at + 76] for at in range(0, len(letters), 76))

    for text in (
        letters,
        f" {broken}\n",
        f"data:image/png;base64,{letters}",
        f"DATA:image/png;charset=utf-8;base64,{broken}",
        # What it says of itself is not believed.
        f"data:text/html;base64,{letters}",
    ):
        upload = read_upload(text)
        assert (upload.data, upload.media_type) == (picture, "image/png")
        assert upload.content_hash == sha256(picture).digest()


@pytest.mark.parametrize(
    "text",
    [
        "9klelwrwewerwer...",
        "not base64!",
        "QUJ",
        "QUJD=",
        "QQ==QQ==",
        "QUJ\u0414",
        "QU_-",
        "data:image/png,QUJD",
        "data:base64,QUJD",
        "=",
    ],
)
def test_what_is_not_base64_is_refused(text):
    with pytest.raises(NotBase64) as refused:
        read_upload(text)

    assert refused.value.errors == {"data": ["is not base64"]}


def test_the_example_of_the_api_document_is_a_picture():
    assert read_upload(SMALLEST_PNG).media_type == "image/png"


def test_five_mebibytes_fit_and_a_byte_more_does_not(images):
    largest = images.png(size=MOST_PICTURE_BYTES)

    assert len(read_upload(text_of(largest)).data) == MOST_PICTURE_BYTES
    with pytest.raises(PictureTooLarge):
        read_upload(text_of(largest + b"\0"))
