# SPDX-License-Identifier: Apache-2.0
"""Catalog on a real database, with products to sell and pictures of them."""

import itertools
import struct
import zlib
from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient
from redis import Redis

from catalog.app import create_app
from catalog.commands.products import NewProduct, create_product
from catalog.config import Config
from catalog.models import Product
from catalog.page_cache import PageCache
from common.db import Database
from common.testing.tokens import TokenFactory

SELLER = {"seller_id": 7, "seller_name": "grace"}


@pytest.fixture
def database(
    database_of: Callable[[str], Database], clean: Callable[[Database], None]
) -> Iterator[Database]:
    found = database_of("catalog")
    clean(found)
    return found


@pytest.fixture(scope="session")
def unkept(redis_url: str) -> Iterator[PageCache]:
    """A page cache in which each request has a second of its own: nothing is kept for the next."""
    seconds = itertools.count(step=2)
    with Redis.from_url(redis_url) as redis:
        yield PageCache(redis, clock=lambda: next(seconds))


@pytest.fixture
def client(
    database: Database,
    service_settings: Callable[..., Config],
    token_factory: TokenFactory,
    unkept: PageCache,
) -> Iterator[FlaskClient]:
    config = service_settings(Config, database=database)
    app = create_app(config, database=database, guard=token_factory.guard("catalog"))
    app.extensions["page_cache"] = unkept
    with app.test_client() as client:
        yield client


@pytest.fixture
def sell(database: Database) -> Callable[..., Product]:
    """Puts a product up for sale: ``sell("Lamp", price=1250, quantity=3)``."""

    def put_up(name: str, *, price: int = 1000, quantity: int = 0, **fields: object) -> Product:
        new = NewProduct(name=name, price=price, quantity=quantity, **fields)
        return database.run(create_product, new=new, currency="USD", **SELLER)

    return put_up


class Images:
    """Real pictures of one pixel, byte by byte, and what a bad one may have instead."""

    def png(
        self, *, width: int = 1, depth: int = 8, colour: int = 0, note: str = "", size: int = 0
    ) -> bytes:
        """A PNG; *note* makes its content another, *size* blows it up to so many bytes."""
        header = struct.pack(">IIBBBBB", width, 1, depth, colour, 0, 0, 0)
        ends = [(b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b"")]
        smallest = self.chunks((b"IHDR", header), (b"tEXt", b""), *ends)
        text = note.encode().ljust(max(0, size - len(smallest)), b"x")
        return self.chunks((b"IHDR", header), (b"tEXt", text), *ends)

    def chunks(self, *chunks: tuple[bytes, bytes]) -> bytes:
        parts = [
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
            for kind, body in chunks
        ]
        return b"\x89PNG\r\n\x1a\n" + b"".join(parts)

    def jpeg(
        self,
        *,
        width: int = 1,
        components: int = 1,
        frame: int = 0xC0,
        segments: list[tuple[int, bytes]] | None = None,
    ) -> bytes:
        header = struct.pack(">BHHB", 8, 1, width, components) + b"\1\x11\0" * components
        parts = [
            *(segments or [(0xE0, b"JFIF\0\1\2\0\0\1\0\1\0\0")]),
            (frame, header),
            (0xDA, b"\1\1\0\0\x3f\0"),
        ]
        body = b"".join(
            struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data for marker, data in parts
        )
        return b"\xff\xd8" + body + b"\x2a\xff\x00\x15\xff\xd9"

    def gif(self, *, width: int = 1, images: int = 1) -> bytes:
        screen = b"GIF89a" + struct.pack("<HHBBB", width, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
        control = b"\x21\xf9\4\1\0\0\0\0"
        image = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0"
        return screen + control + image * images + b"\x3b"

    def webp(self) -> bytes:
        return self.riff((b"VP8L", b"\x2f\0\0\0\x10\7\x10\x11\x11\x88\x88\xfe\7\0"))

    def riff(self, *chunks: tuple[bytes, bytes]) -> bytes:
        parts = [
            kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
            for kind, body in chunks
        ]
        body = b"WEBP" + b"".join(parts)
        return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.fixture(scope="session")
def images() -> Images:
    return Images()


@pytest.fixture
def grace(token_factory: TokenFactory) -> dict[str, str]:
    """The seller of the products that ``sell`` makes."""
    return token_factory.bearer(7, "grace")


@pytest.fixture
def ada(token_factory: TokenFactory) -> dict[str, str]:
    return token_factory.bearer(8, "ada")


@pytest.fixture
def admin(token_factory: TokenFactory) -> dict[str, str]:
    return token_factory.bearer(1, "root", "admin")


@pytest.fixture
def broken_contents(database: Database) -> Iterator[None]:
    """A database that takes everything but the bytes of pictures."""
    with database.engine.connect() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER broken BEFORE INSERT ON picture_contents FOR EACH ROW "
            "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'broken'"
        )
        yield
        connection.exec_driver_sql("DROP TRIGGER broken")
