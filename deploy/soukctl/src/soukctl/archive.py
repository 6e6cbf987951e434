# SPDX-License-Identifier: Apache-2.0
"""The file that a backup is: a tar of tables, and a manifest that knows the hash of each."""

import gzip
import hashlib
import os
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ConfigDict, ValidationError

from soukctl.shop import Refused

FORMAT = 1
MANIFEST, SEAL = "manifest.json", "manifest.json.sha256"
BLOCK = 1 << 20


class Content(BaseModel):
    """One table.

    Attributes:
        sha256: Of its lines, before they were packed.
        counter: What AUTO_INCREMENT stood at.
    """

    model_config = ConfigDict(extra="forbid")

    rows: int
    sha256: str
    counter: int | None = None


class Schema(BaseModel):
    """One service's schema; its tables in the order in which they can be filled."""

    model_config = ConfigDict(extra="forbid")

    revision: str
    tables: dict[str, Content]


class Manifest(BaseModel):
    """What an archive holds.

    Attributes:
        bindings: What each queue of the broker is told, as workers declare it by themselves.
        queues: How many messages the broker's queues still had; these are not here. None if nobody
            looked.
        secrets: Hashes of files that were put in by name.
    """

    model_config = ConfigDict(extra="forbid")

    format: int = FORMAT
    made_at: str
    souk: str
    server: str
    schemas: dict[str, Schema]
    bindings: dict[str, list[str]]
    queues: dict[str, int] | None = None
    secrets: dict[str, str] = {}

    def rows(self) -> dict[str, int]:
        """How many rows each schema has."""
        return {
            service: sum(table.rows for table in schema.tables.values())
            for service, schema in self.schemas.items()
        }


class Writer:
    """Puts members into an archive that is being made."""

    def __init__(self, tar: tarfile.TarFile, room: Path) -> None:
        self._tar = tar
        self._room = room

    def table(self, name: str, lines: Iterable[bytes]) -> tuple[int, str]:
        """Keep a table's lines; returns how many there were, and their hash."""
        rows, seen = 0, hashlib.sha256()
        with tempfile.TemporaryFile(dir=self._room) as packed:
            with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6, mtime=0) as file:
                for line in lines:
                    rows += 1
                    seen.update(line)
                    file.write(line)
            self._add(name, packed)
        return rows, seen.hexdigest()

    def secret(self, path: Path) -> str:
        """Keep a file as it is; returns its hash."""
        said = path.read_bytes()
        self._add(f"secrets/{path.name}", BytesIO(said))
        return hashlib.sha256(said).hexdigest()

    def seal(self, manifest: Manifest) -> str:
        """Say what is in it, at last; returns the hash that stands for all of it."""
        said = manifest.model_dump_json(indent=1).encode()
        digest = hashlib.sha256(said).hexdigest()
        self._add(MANIFEST, BytesIO(said))
        self._add(SEAL, BytesIO(digest.encode()))
        return digest

    def _add(self, name: str, file: IO[bytes]) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = file.seek(0, os.SEEK_END), 0o600
        file.seek(0)
        self._tar.addfile(member, file)


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """A new archive, there under its name only once it is complete; for its owner's eyes only.

    Raises:
        Refused: There is a file of that name; none is ever overwritten.
    """
    taken = Refused(f"{path} is there already; a backup overwrites nothing.")
    if path.exists():
        raise taken
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                yield Writer(tar, path.parent)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            raise taken from None
    finally:
        draft.unlink()


class Reader:
    """An archive whose every byte that counts was compared with its manifest.

    Raises:
        Refused: It is damaged, not whole, or no archive of ours.
    """

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        said = self._bytes(MANIFEST)
        if hashlib.sha256(said).hexdigest().encode() != self._bytes(SEAL):
            raise Refused(f"The archive is damaged: {MANIFEST} is not what was written.")
        try:
            self.manifest = Manifest.model_validate_json(said)
        except ValidationError as error:
            raise Refused("The archive was made by another release of soukctl.") from error

    def verify(self) -> Iterator[str]:
        """Compare everything with its hash; names each table that is as it was."""
        for service, schema in self.manifest.schemas.items():
            for table, content in schema.tables.items():
                seen = hashlib.sha256()
                for line in self.lines(service, table):
                    seen.update(line)
                _must_be(content.sha256, seen.hexdigest(), f"{service}.{table}")
                yield f"{service}.{table}"
        for name, digest in self.manifest.secrets.items():
            _must_be(digest, hashlib.sha256(self.secret(name)).hexdigest(), name)

    def lines(self, service: str, table: str) -> Iterator[bytes]:
        name = f"{service}/{table}.ndjson.gz"
        try:
            with gzip.open(self._member(name)) as file:
                yield from file
        except (OSError, EOFError, zlib.error) as error:
            raise Refused(f"The archive is damaged: {name} can't be read.") from error

    def secret(self, name: str) -> bytes:
        return self._bytes(f"secrets/{name}")

    def _bytes(self, name: str) -> bytes:
        return self._member(name).read()

    def _member(self, name: str) -> IO[bytes]:
        try:
            found = self._tar.extractfile(name)
        except KeyError:
            found = None
        if found is None:
            raise Refused(f"The archive is not whole: {name} is missing.")
        return found


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """An archive of ours.

    Raises:
        Refused: It is none, or not whole.
    """
    try:
        with tarfile.open(path, mode="r:") as tar:
            yield Reader(tar)
    except tarfile.TarError as error:
        raise Refused(f"{path} is no archive, or not whole: {error}") from error


def _must_be(wanted: str, found: str, name: str) -> None:
    if wanted != found:
        raise Refused(f"The archive is damaged: {name} is not what was written.")
