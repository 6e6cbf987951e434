# SPDX-License-Identifier: Apache-2.0
"""Pictures to upload."""

import base64
import secrets
import struct
import zlib


def png(width=1, height=1):
    """A small picture of its own: no other test's has the same content."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = b"".join(b"\0" + secrets.token_bytes(3 * width) for _ in range(height))
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(pixels)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def as_text(data):
    return base64.b64encode(data).decode()
