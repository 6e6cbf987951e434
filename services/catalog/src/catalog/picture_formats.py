# SPDX-License-Identifier: Apache-2.0
"""What an uploaded text holds: base64 of a PNG, JPEG, GIF or WebP, by its content and nothing else.

Nobody here draws a picture. Its structure is followed far enough that no page, script or drawing
that a browser would run can pass as one.
"""

import base64
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from catalog.errors import NotBase64, PictureFormat, PictureTooLarge

MOST_PICTURE_BYTES = 5 * 1024 * 1024
MOST_PARTS = 100_000
"""Chunks, segments or blocks of one picture. Real ones have a fifth of that at most; a file made of
millions of empty ones would keep a processor busy for a second."""
DATA_URL = re.compile(rb"data:[\w.+-]+/[\w.+-]+(?:;[\w.+=-]+)*;base64,", re.IGNORECASE)
BLANKS = b" \t\r\n"

PNG = b"\x89PNG\r\n\x1a\n"
PNG_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
"""Bits of a sample by colour type, as the standard pairs them."""

JPEG = b"\xff\xd8\xff"
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
JPEG_SCAN, JPEG_END = 0xDA, b"\xff\xd9"

GIFS = (b"GIF87a", b"GIF89a")
GIF_IMAGE, GIF_EXTENSION, GIF_END = 0x2C, 0x21, 0x3B

WEBP_LOSSY_START = b"\x9d\x01\x2a"
WEBP_LOSSLESS_START = 0x2F
WEBP_IMAGES = frozenset({b"VP8 ", b"VP8L", b"ANMF"})


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A picture that may be stored."""

    data: bytes
    media_type: str
    content_hash: bytes


def read_upload(text: str) -> Upload:
    """The picture in *text*: base64 with its padding, bare or as a ``data:`` URL.

    Blanks and line breaks between the letters are fine, because MIME writes it so. What a ``data:``
    URL says of its own type is not believed.

    Raises:
        NotBase64
        PictureTooLarge: It is larger than ``MOST_PICTURE_BYTES`` when decoded.
        PictureFormat: It is no PNG, JPEG, GIF or WebP.
    """
    data = _decoded(text)
    if len(data) > MOST_PICTURE_BYTES:
        raise PictureTooLarge
    return Upload(data=data, media_type=media_type_of(data), content_hash=sha256(data).digest())


def media_type_of(data: bytes) -> str:
    """The media type of a whole picture.

    Raises:
        PictureFormat: It is none of ours, or it breaks off.
    """
    for media_type, is_one in FORMATS.items():
        try:
            if is_one(data):
                return media_type
        except (IndexError, StopIteration, struct.error):
            # It ends where its own header says that there is more, or it has too many parts.
            break
    raise PictureFormat


def _decoded(text: str) -> bytes:
    try:
        letters = text.encode("ascii").translate(None, BLANKS)
        prefix = DATA_URL.match(letters)
        letters = letters[prefix.end() if prefix else 0 :]
        if len(letters) % 4:
            # Python would overlook a padding too many.
            raise ValueError("padding")
        return base64.b64decode(letters, validate=True)
    except ValueError as error:
        raise NotBase64(errors={"data": ["is not base64"]}) from error


def _is_png(data: bytes) -> bool:
    """Chunks from the header to the end, with an image among them, and nothing behind the end."""
    if not data.startswith(PNG):
        return False
    chunks = _png_chunks(data)
    kind, body = next(chunks)
    if kind != b"IHDR" or len(body) != 13 or not _is_png_header(body):  # noqa: PLR2004
        return False
    has_image = False
    for kind, _body in chunks:
        has_image = has_image or kind == b"IDAT"
        if kind == b"IEND":
            return has_image and next(chunks, None) is None
    return False


def _is_png_header(header: memoryview) -> bool:
    width, height, depth, colour = struct.unpack(">IIBB3x", header)
    return 0 < width < 2**31 and 0 < height < 2**31 and depth in PNG_DEPTHS.get(colour, ())


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and body of each chunk, to the last byte of the file; each by its own checksum."""
    at, view = len(PNG), memoryview(data)
    for _part in range(MOST_PARTS):
        if at == len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, at)
        (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
        if zlib.crc32(view[at + 4 : at + 8 + length]) != checksum:
            raise PictureFormat
        yield kind, view[at + 8 : at + 8 + length]
        at += 12 + length
    raise PictureFormat


def _is_jpeg(data: bytes) -> bool:
    """Segments up to the first scan, with a frame among them, and an end somewhere behind it.

    What follows the end is left alone: telephones put a second picture or a film there.
    """
    if not data.startswith(JPEG):
        return False
    at, has_frame = 2, False
    for _part in range(MOST_PARTS):
        if data[at] != 0xFF:  # noqa: PLR2004 - what every marker begins with
            return False
        marker = data[at + 1]
        if marker == 0xFF:  # noqa: PLR2004 - padding before a marker
            at += 1
            continue
        at += 2
        if marker in JPEG_ALONE:
            continue
        (length,) = struct.unpack_from(">H", data, at)
        if marker in JPEG_FRAMES:
            has_frame = _is_jpeg_frame(data, at, length)
        at += length
        if marker == JPEG_SCAN:
            return has_frame and data.find(JPEG_END, at) > 0
    return False


def _is_jpeg_frame(data: bytes, at: int, length: int) -> bool:
    bits, _height, width, components = struct.unpack_from(">BHHB", data, at + 2)
    return bits in {8, 12, 16} and width > 0 and components in range(1, 5) and length > 8  # noqa: PLR2004


def _is_gif(data: bytes) -> bool:
    """A screen, its blocks, at least one image, and the trailer as the last byte."""
    if not data.startswith(GIFS):
        return False
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    if not (width and height):
        return False
    at, images, parts = 13 + _gif_colours(flags), 0, iter(range(MOST_PARTS))
    while data[at] != GIF_END:
        next(parts)
        if data[at] == GIF_EXTENSION:
            at = _behind_gif_blocks(data, at + 2, parts)
        elif data[at] == GIF_IMAGE:
            # The descriptor, its own colours, and one byte that says how the codes begin.
            at = _behind_gif_blocks(data, at + 11 + _gif_colours(data[at + 9]), parts)
            images += 1
        else:
            return False
    return images > 0 and at == len(data) - 1


def _gif_colours(flags: int) -> int:
    """How many bytes of colours follow, by the byte that announces them."""
    return 3 * 2 ** ((flags & 0x07) + 1) if flags & 0x80 else 0


def _behind_gif_blocks(data: bytes, at: int, parts: Iterator[int]) -> int:
    while data[at]:
        next(parts)
        at += 1 + data[at]
    return at + 1


def _is_webp(data: bytes) -> bool:
    """A RIFF of exactly the file's size, whose chunks hold an image."""
    if not (data.startswith(b"RIFF") and data[8:12] == b"WEBP"):
        return False
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 != len(data):
        return False
    chunks = _webp_chunks(data)
    kind, body = next(chunks)
    if kind == b"VP8X":
        # The canvas; how large it is says nothing before its images are there.
        return len(body) == 10 and any(kind in WEBP_IMAGES for kind, _body in chunks)  # noqa: PLR2004
    if kind == b"VP8L":
        # The upper three bits of the fifth byte are the version, which is 0.
        return body[0] == WEBP_LOSSLESS_START and not body[4] >> 5
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", body, 6)
        return body[3:6] == WEBP_LOSSY_START and bool(width & 0x3FFF and height & 0x3FFF)
    return False


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    at, view = 12, memoryview(data)
    for _part in range(MOST_PARTS):
        if at >= len(data):
            return
        kind, length = struct.unpack_from("<4sI", data, at)
        if at + 8 + length > len(data):
            raise PictureFormat
        yield kind, view[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    raise PictureFormat


FORMATS: dict[str, Callable[[bytes], bool]] = {
    "image/png": _is_png,
    "image/jpeg": _is_jpeg,
    "image/gif": _is_gif,
    "image/webp": _is_webp,
}
