# SPDX-License-Identifier: Apache-2.0
"""What the current application was wired with, for its routes."""

from flask import current_app

from orders.auth import Auth
from orders.catalog import Catalog
from orders.checkout import Checkout
from orders.config import Config


def config() -> Config:
    found: Config = current_app.extensions["config"]
    return found


def auth() -> Auth:
    found: Auth = current_app.extensions["auth"]
    return found


def catalog() -> Catalog:
    found: Catalog = current_app.extensions["catalog"]
    return found


def checkout() -> Checkout:
    found: Checkout = current_app.extensions["checkout"]
    return found
