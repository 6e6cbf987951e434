# SPDX-License-Identifier: Apache-2.0

"""The documentation page: served by us alone, from files that nobody changed on the way."""

import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from support.openapi import served_document

DOCS = Path(__file__).parents[1] / "static" / "docs"
VENDORED = DOCS / "swagger-ui"
FOREIGN = re.compile(r"(?:https?:)?//[a-z]", re.IGNORECASE)

KINDS = {
    "/docs": "text/html; charset=utf-8",
    "/docs/": "text/html; charset=utf-8",
    "/docs/docs.css": "text/css; charset=utf-8",
    "/docs/docs.js": "text/javascript; charset=utf-8",
    "/docs/souk.svg": "image/svg+xml",
    "/docs/swagger-ui/swagger-ui.css": "text/css; charset=utf-8",
    "/docs/swagger-ui/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "/openapi.json": "application/json",
}


class Page(HTMLParser):
    """What a page asks its browser to load, and what it would run by itself."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.inline = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag in {"script", "img", "iframe"}:
            self.loads.append(given.get("src"))
        if tag == "link":
            self.loads.append(given["href"])
        self.inline += [name for name in given if name.startswith("on") or name == "style"]
        self.inline += ["style"] if tag == "style" else []


@pytest.fixture(scope="module")
def page():
    return Page((DOCS / "index.html").read_text())


def checksums():
    lines = (DOCS / "CHECKSUMS").read_text().splitlines()
    return dict(reversed(line.split()) for line in lines if not line.startswith("#"))


@pytest.mark.parametrize("path", KINDS)
def test_file_comes_with_its_type_and_in_full(gateway, services, path):
    answer = gateway.ask(path, accept="*/*")

    assert answer.status == 200
    assert answer.headers["Content-Type"] == KINDS[path]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert len(answer.body) == int(answer.headers["Content-Length"]) > 0
    assert all(not service.received for service in services.values())


@pytest.mark.parametrize("path", KINDS)
def test_what_the_browser_has_is_not_sent_again(gateway, path):
    first = gateway.ask(path)
    again = gateway.ask(path, headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status, again.body) == (304, b"")
    assert gateway.ask(path, headers={"If-None-Match": '"other"'}).status == 200


def test_page_asks_only_for_files_that_are_there(gateway, page):
    assert page.loads
    for path in page.loads:
        assert path.startswith("/docs/")
        assert gateway.ask(path, accept="*/*").status == 200


def test_page_runs_nothing_but_its_files(page):
    assert page.inline == []
    assert None not in page.loads


def test_our_own_files_name_no_other_host():
    for name in ("index.html", "docs.css", "docs.js"):
        assert not FOREIGN.search((DOCS / name).read_text()), name


@pytest.mark.parametrize("path", ["/docs", "/docs/docs.js", "/docs/swagger-ui/swagger-ui.css"])
def test_policy_lets_the_page_load_from_us_only(gateway, path):
    policy = gateway.ask(path).headers["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))

    assert rules["default-src"] == "'self'"
    assert rules["frame-ancestors"] == "'none'"
    assert "script-src" not in rules, "scripts follow default-src: ours, and none inline"
    assert "http" not in policy


def test_nothing_else_gets_the_page_s_policy(gateway):
    for path in ("/openapi.json", "/docsx", "/v1/products"):
        assert gateway.ask(path).headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_vendored_files_are_the_published_ones():
    for name, known in checksums().items():
        assert hashlib.sha256((DOCS / name).read_bytes()).hexdigest() == known, name


def test_every_vendored_file_has_its_checksum_and_the_licence_is_there():
    files = {path.relative_to(DOCS).as_posix() for path in VENDORED.rglob("*") if path.is_file()}

    assert set(checksums()) == files
    assert {"swagger-ui/LICENSE", "swagger-ui/NOTICE"} <= files
    assert "sha512-" in (DOCS / "CHECKSUMS").read_text()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_docs_are_for_reading(gateway, method):
    answer = gateway.ask("/docs", method)

    assert answer.status in {401, 404, 405}
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/v1/pictures/7/raw", "/v1/pictures/7/raw/"])
def test_a_picture_opened_as_a_page_is_in_a_sandbox(gateway, path):
    policies = gateway.ask(path).headers.get_all("Content-Security-Policy")

    assert policies == ["sandbox; default-src 'none'; frame-ancestors 'none'"]


CALLS = [
    (method.upper(), re.sub(r"\{\w+\}", "7", path), operation["security"])
    for path, operations in served_document().document["paths"].items()
    for method, operation in operations.items()
]


@pytest.mark.parametrize(("method", "path", "security"), CALLS, ids=str)
def test_gateway_and_document_agree_on_who_needs_a_token(gateway, method, path, security):
    """The stand-in services let everybody in, so a refusal is the gateway's own."""
    answer = gateway.ask(path, method)
    needs_token = bool(security) and {} not in security

    assert (answer.status in {401, 403}) == needs_token
    if needs_token:
        served_document().check(method, path, answer.status, answer.headers, answer.body)


@pytest.mark.parametrize(("method", "path", "security"), CALLS, ids=str)
def test_every_documented_call_reaches_somebody(gateway, issuer, method, path, security):
    assert gateway.ask(path, method, token=issuer.token(role="admin")).status == 200


@pytest.mark.parametrize(("method", "path", "security"), CALLS, ids=str)
def test_a_body_too_large_is_refused_as_documented(gateway, issuer, method, path, security):
    if method == "GET":
        return
    sent = {"Content-Length": str(64 * 1024 * 1024)}
    answer = gateway.ask(path, method, token=issuer.token(role="admin"), headers=sent)

    assert answer.status == 413
    served_document().check(method, path, answer.status, answer.headers, answer.body)
