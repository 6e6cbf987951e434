# SPDX-License-Identifier: Apache-2.0
"""Rows of products for their pages: who asks for one at the same time shares the statement."""

from collections.abc import Sequence

from catalog import queries
from catalog.errors import ProductNotFound
from catalog.models import ShownProduct
from common.batching import Batcher
from common.db import Database


class PageRows:
    """Reads what pages show of products.

    While a row is read the next callers gather, and one statement finds what they all want. Nobody
    gets what was read before they asked.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._batcher = Batcher("catalog_pages", self._read, gathers=True)

    def row(self, ref: str) -> ShownProduct:
        """What a page shows of the product that a path names.

        Raises:
            ProductNotFound
            Unavailable: The database can't be reached, or not soon enough.
        """
        # Who finds out whether the database still hangs does so alone: no thread waits for it.
        alone = self._database.hangs
        found = self._read([ref])[0] if alone else self._batcher.submit(ref)
        if isinstance(found, ProductNotFound):
            raise found
        return found

    def _read(self, refs: Sequence[str]) -> list[ShownProduct | ProductNotFound]:
        found = self._database.glance(queries.shown_by_refs, set(refs))
        return [found.get(ref) or ProductNotFound() for ref in refs]
