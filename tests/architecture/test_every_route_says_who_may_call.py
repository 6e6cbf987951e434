# SPDX-License-Identifier: Apache-2.0
"""Every view is marked with who may call it, and what strangers may change is on a short list."""

import re

import pytest
from flask import Flask

from common.access import internal, public, requires
from common.tokens import ROLES

READING = {"GET", "HEAD", "OPTIONS"}

STRANGERS_MAY = {
    "auth": {
        "v1.post_signup": "who signs up has no token yet",
        "v1.post_login": "nor has who logs in",
        "v1.post_refresh": "the refresh token in the body is the proof",
        "v1.post_logout": "the refresh token in the body is the proof",
        "s0.post_sign_up": "who signs up has no token yet",
        "s0.post_sign_in": "nor has who logs in",
        "s1.post_login": "nor has who logs in",
        "s2.post_signup": "who signs up has no token yet",
        "s2.post_login": "nor has who logs in",
        "s2.post_refresh": "the refresh token is the proof, and the view reads it",
        "s3.post_customer": "a guest has no token yet",
        "s4.post_register": "who signs up has no token yet",
        "s4.post_login": "nor has who logs in",
    },
    "catalog": {
        "s3.post_product": "as the built-in seller, and only where OPEN_STORE is set; else 401",
        "s3.post_stock": "the same, and only to that seller's own products",
    },
    "orders": {
        "s3.post_cart_add": "only for guests, and only where OPEN_STORE is set; else 401",
        "s3.post_cart_remove": "the same",
        "s3.post_order_add": "the same",
    },
}
"""Calls that change something without an access token, each with the reason."""


def faults_of(app):
    """What is wrong with an application's routes, in sentences that say the way out."""
    faults = []
    for rule in app.url_map.iter_rules():
        mark = getattr(app.view_functions[rule.endpoint], "access", None)
        where = f"{rule.endpoint} ({rule.rule})"
        if mark is None:
            faults.append(f"{where} has no mark: put @public, @requires(…) or @internal below it")
            continue
        if mark not in {"public", "user", "internal"} and not set(mark.split(",")) <= ROLES:
            faults.append(f"{where} asks for the role {mark}, which no token has")
        if rule.rule.startswith("/internal") != (mark == "internal"):
            faults.append(
                f"{where} is {mark}: /internal/… is @internal, and nothing else is, because the "
                "gateway hides exactly that path"
            )
        known = STRANGERS_MAY.get(app.import_name, {})
        if mark == "public" and rule.methods - READING and rule.endpoint not in known:
            faults.append(
                f"{where} lets strangers change something: use @requires(), or say in "
                "STRANGERS_MAY why they may"
            )
    return faults


def test_every_route_of_every_service_says_who_may_call(service, app_of):
    assert faults_of(app_of(service)) == []


def test_every_service_answers_its_operators(service, app_of):
    paths = {rule.rule for rule in app_of(service).url_map.iter_rules()}

    assert {"/healthz", "/readyz", "/metrics"} <= paths


def test_nothing_is_routed_that_nobody_wrote(service, app_of):
    """No static files, no documentation pages of a framework."""
    views = {
        rule.endpoint: app_of(service).view_functions[rule.endpoint].__module__.split(".")[0]
        for rule in app_of(service).url_map.iter_rules()
    }

    assert set(views.values()) <= {service, "common"}, views


def test_no_reason_outlives_its_route(app_of):
    for service, reasons in STRANGERS_MAY.items():
        app = app_of(service)
        public_changes = {
            rule.endpoint
            for rule in app.url_map.iter_rules()
            if rule.methods - READING and app.view_functions[rule.endpoint].access == "public"
        }
        assert set(reasons) <= public_changes


def view():
    return ""


@pytest.mark.parametrize(
    ("path", "methods", "marked", "fault"),
    [
        ("/v1/things", ["GET"], view, "has no mark"),
        ("/v1/things", ["POST"], public(view), "lets strangers change"),
        ("/v1/things", ["DELETE", "GET"], public(view), "lets strangers change"),
        ("/v1/things", ["GET"], requires("boss")(view), "which no token has"),
        ("/v1/things", ["GET"], internal(view), "is @internal"),
        ("/internal/things", ["GET"], requires("admin")(view), "is @internal"),
        ("/internal/things", ["GET"], public(view), "is @internal"),
    ],
)
def test_a_planted_fault_is_found(path, methods, marked, fault):
    app = Flask("planted", static_folder=None)
    app.add_url_rule(path, "planted", marked, methods=methods)

    (found,) = faults_of(app)

    assert re.search(fault, found)


def test_flawless_routes_have_no_faults():
    app = Flask("planted", static_folder=None)
    app.add_url_rule("/v1/a", "a", public(view))
    app.add_url_rule("/v1/b", "b", requires()(view), methods=["POST"])
    app.add_url_rule("/v1/c", "c", requires("admin", "analyst")(view), methods=["DELETE"])
    app.add_url_rule("/internal/d", "d", internal(view), methods=["PUT"])

    assert faults_of(app) == []
