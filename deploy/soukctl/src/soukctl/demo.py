# SPDX-License-Identifier: Apache-2.0
"""Something to look at: a small shop and one customer, made through the gateway like any other."""

from dataclasses import dataclass, replace
from http import HTTPStatus

from soukctl.gateway import Answer, GatewayClient

CUSTOMER_USERNAME = "demo"
CUSTOMER_EMAIL = "demo@souk.example"


class DemoRefused(Exception):
    """The stack refused a demo product or the demo customer."""


@dataclass(frozen=True)
class Product:
    sku: str
    name: str
    price: str
    quantity: int
    mark: str
    description: str


PRODUCTS = (
    Product("TEA-MINT-100", "Moroccan mint tea", "6.50", 140, "Atlas", "Green tea, 100 g tin."),
    Product("TEA-ROSE-080", "Damask rose tea", "7.80", 90, "Atlas", "Rose buds, 80 g tin."),
    Product("SPICE-ZAATAR", "Za'atar", "4.90", 200, "Levant", "Thyme, sesame and sumac, 150 g."),
    Product("SPICE-SAFFRON", "Saffron threads", "18.00", 35, "Herat", "First grade, 2 g jar."),
    Product("SPICE-SUMAC", "Ground sumac", "3.75", 160, "Levant", "Sour and red, 120 g."),
    Product("OLIVE-SOAP", "Olive oil soap", "5.20", 300, "Nablus", "Aged nine months, 160 g."),
    Product("LAMP-MOSAIC", "Mosaic lamp", "64.00", 12, "Iznik", "Hand-cut glass, 28 cm."),
    Product("RUG-KILIM-120", "Kilim rug", "189.00", 6, "Konya", "Wool, 120 x 180 cm."),
    Product("POT-TAJINE", "Tajine", "42.50", 25, "Safi", "Glazed clay, for four people."),
    Product("COPPER-CEZVE", "Copper coffee pot", "27.90", 40, "Gaziantep", "Tinned, 250 ml."),
    Product("DATES-MEDJOOL", "Medjool dates", "9.40", 120, "Jericho", "Soft and large, 500 g."),
    Product("TRAY-BRASS", "Brass tray", "36.00", 18, "Fez", "Engraved by hand, 40 cm."),
)


def populate(admin: GatewayClient, *, customer_password: str | None) -> None:
    """Make the products that are not there yet, and with a password the customer.

    Raises:
        DemoRefused: the stack refused one for another reason than that it exists.
    """
    for product in PRODUCTS:
        _accept(product.sku, admin.post("/v1/products", vars(product)))
    if customer_password is None:
        return
    customer = {
        "username": CUSTOMER_USERNAME,
        "password": customer_password,
        "email": CUSTOMER_EMAIL,
        "fullname": "Demo Customer",
    }
    _accept(CUSTOMER_USERNAME, replace(admin, token=None).post("/v1/auth/signup", customer))


def _accept(what: str, answer: Answer) -> None:
    # 409 is the answer for what an earlier run has made, which is left as its users changed it.
    if answer.status not in {HTTPStatus.CREATED, HTTPStatus.CONFLICT}:
        raise DemoRefused(f"The demo data's {what} was refused: {answer.status} {answer.body}")
