# SPDX-License-Identifier: Apache-2.0
"""What the seed surfaces do alike. Their routes differ in paths, names and statuses only."""

from flask import Response, current_app

from catalog import queries
from catalog.commands.products import NewProduct, change_product_and_stock, create_product
from catalog.config import Config
from catalog.models import Product
from catalog.routes.pages import etag, product_page, wanted_version
from catalog.seed_schemas import SeedChangesIn, SeedProductOut
from common.access import identity
from common.app import database
from common.seeds.lists import SeedPage, listed

Answer = tuple[SeedProductOut, int, dict[str, str]]


def seed_list(wanted: SeedPage, *, seller_id: int | None = None) -> Response:
    """A page of everybody's products, or of one seller's."""
    page, total = database().read(
        queries.page_of_products, offset=wanted.offset, limit=wanted.limit, seller_id=seller_id
    )
    shown = [SeedProductOut.shape(product) for product in page[: wanted.limit]]
    return listed(shown, wanted, total=total, more=len(page) > wanted.limit)


def seed_page(ref: str) -> Response:
    """One product. The gateway records the view."""
    return product_page("seeds", ref, SeedProductOut.shape)


def put_up_for_sale(new: NewProduct) -> Product:
    """A new product of whoever asks."""
    seller = identity()
    config: Config = current_app.extensions["config"]
    return database().run(
        create_product,
        new=new,
        seller_id=seller.user_id,
        seller_name=seller.username,
        currency=config.currency,
    )


def change_as_wanted(ref: str, wanted: SeedChangesIn) -> Answer:
    """Text, price and units in one transaction."""
    product = database().read(queries.product_by_ref, ref)
    changed = database().run(
        change_product_and_stock,
        product_id=product.id,
        changes=wanted.changes(),
        available=wanted.units(),
        actor=identity(),
        if_version=wanted_version(product),
    )
    return SeedProductOut.of(changed), 200, {"ETag": etag(changed)}
