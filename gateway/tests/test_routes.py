# SPDX-License-Identifier: Apache-2.0

"""Every path of the API and of the five seeds: to whom it goes, and who is let through."""

import pytest

SERVED = {
    "auth": [
        ("POST", "/v1/auth/signup", "open"),
        ("POST", "/v1/auth/login", "open"),
        ("POST", "/v1/auth/refresh", "open"),
        ("POST", "/v1/auth/logout", "open"),
        ("POST", "/v1/auth/logout-all", "closed"),
        ("GET", "/.well-known/jwks.json", "open"),
        ("GET", "/v1/users/me", "closed"),
        ("POST", "/v1/users", "closed"),
        ("DELETE", "/v1/users/7", "closed"),
        ("POST", "/users/SignUp", "open"),
        ("POST", "/users/SignIn", "open"),
        ("POST", "/users/login", "open"),
        ("POST", "/users/7", "closed"),
        ("GET", "/api/users", "closed"),
        ("PUT", "/api/users/7", "closed"),
        ("POST", "/api/auth/signup", "open"),
        ("POST", "/api/auth/login", "open"),
        ("GET", "/api/auth/refresh", "open"),
        ("POST", "/api/auth/refresh", "open"),
        ("POST", "/customer/add", "open"),
        ("POST", "/api/user/register", "open"),
        ("POST", "/api/user/login", "open"),
    ],
    "catalog": [
        ("GET", "/v1/products", "open"),
        ("POST", "/v1/products", "closed"),
        ("GET", "/v1/products/7", "open"),
        ("PATCH", "/v1/products/7", "closed"),
        ("DELETE", "/v1/products/7", "closed"),
        ("POST", "/v1/products/7/stock", "closed"),
        ("GET", "/v1/products/7/stock/ledger", "closed"),
        ("GET", "/v1/products/7/prices", "open"),
        ("POST", "/v1/pictures", "closed"),
        ("GET", "/v1/pictures", "closed"),
        ("GET", "/v1/pictures/7/raw", "open"),
        ("DELETE", "/v1/pictures/7", "closed"),
        ("GET", "/products", "open"),
        ("GET", "/product/7", "open"),
        ("PUT", "/product/7", "closed"),
        ("GET", "/product/all", "open"),
        ("POST", "/product/add", "open"),
        ("POST", "/product/add-stock", "open"),
        ("GET", "/api/products", "open"),
        ("POST", "/api/products", "closed"),
        ("GET", "/api/products/7", "open"),
        ("PUT", "/api/products/7", "closed"),
        ("DELETE", "/api/products/7", "closed"),
        ("GET", "/api/products/my", "closed"),
        ("POST", "/api/picture", "closed"),
        ("GET", "/api/picture", "closed"),
    ],
    "orders": [
        ("GET", "/v1/cart", "closed"),
        ("PUT", "/v1/cart/items/7", "closed"),
        ("POST", "/v1/orders", "closed"),
        ("GET", "/v1/orders/7", "closed"),
        ("POST", "/v1/orders/7/cancel", "closed"),
        ("GET", "/v1/orders/products/7/total", "closed"),
        ("GET", "/addToCars/7", "closed"),
        ("POST", "/addToCars/7", "closed"),
        ("GET", "/cart/7", "open"),
        ("POST", "/cart/add", "open"),
        ("POST", "/cart/remove", "open"),
        ("POST", "/order/add", "open"),
        ("GET", "/order/product/7", "open"),
    ],
    "notifier": [
        ("GET", "/v1/notifications", "closed"),
        ("POST", "/v1/notifications/7/resend", "closed"),
    ],
    "analytics": [
        ("GET", "/v1/orders/7/timeline", "closed"),
        ("GET", "/v1/analytics/products/7", "closed"),
        ("GET", "/v1/analytics/top", "closed"),
        ("GET", "/v1/audit/invariants", "closed"),
        ("GET", "/v1/dead-letters", "closed"),
        ("GET", "/v1/events/7", "closed"),
    ],
}
ROUTES = [(name, *route) for name, routes in SERVED.items() for route in routes]
CLOSED = [route for route in ROUTES if route[-1] == "closed"]
OPEN = [route for route in ROUTES if route[-1] == "open"]


@pytest.mark.parametrize(("name", "method", "path", "_access"), ROUTES)
def test_path_reaches_its_service_with_and_without_a_slash(
    gateway, services, issuer, name, method, path, _access
):
    token = issuer.token(role="admin")
    for spelling in (path, f"{path}/", f"{path}?q=a%2Fb//;c"):
        answer = gateway.ask(spelling, method, token=token)
        assert answer.status == 200
        assert services[name].last().path == spelling
        assert services[name].last().method == method
    assert sum(len(service.received) for service in services.values()) in {3, 4}  # and the keys


@pytest.mark.parametrize(("name", "method", "path", "_access"), CLOSED)
def test_closed_path_lets_nobody_in_without_a_token(
    gateway, services, make_issuer, name, method, path, _access
):
    for token in (None, make_issuer().token()):
        answer = gateway.ask(path, method, token=token)
        assert answer.status == (403 if path == "/api/picture" and not token else 401)
    assert services[name].received == []


@pytest.mark.parametrize(("name", "method", "path", "_access"), OPEN)
def test_open_path_refuses_nobody(gateway, services, make_issuer, name, method, path, _access):
    for token in (None, make_issuer().token(), "nonsense"):
        assert gateway.ask(path, method, token=token).status == 200
        got = services[name].last()
        assert got.path == path
        assert got.header("X-User-Id") is None


@pytest.mark.parametrize(
    "path", ["/v1/auth/refresh", "/api/auth/refresh", "/cart/7", "/order/add", "/product/add"]
)
def test_token_that_the_service_judges_goes_on_as_it_is(gateway, services, issuer, path):
    token = issuer.token(typ="refresh")
    assert gateway.ask(path, "POST", headers={"Authorization": token}).status == 200
    receivers = [service for service in services.values() if service.asked(path)]
    assert receivers[0].last().header("Authorization") == f"Bearer {token}"
    assert receivers[0].last().header("X-User-Id") is None


@pytest.mark.parametrize("path", ["/v1/products", "/v1/auth/login", "/v1/products/7/prices"])
def test_bad_token_is_dropped_where_none_is_needed(gateway, services, issuer, path):
    assert gateway.ask(path, token=issuer.token(exp=1)).status == 200
    got = next(service for service in services.values() if service.asked(path)).last()
    assert got.header("Authorization") is None


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/v2/products",
        "/v1/productsx",
        "/nothing/here",
        "/internal/reservations",
        "/internal/users/7/epoch",
        "/metrics",
        "/metrics/",
        "/v1/internal/x",
        "/_authn",
        "/_problem/404",
        "/_keys",
        "/_ready/auth",
        "/verdict",
        "/order",
        "/users",
        "/docs/../render.py",
        "/docs/none.css",
        "/docs/swagger-ui",
        "/docs/swagger-ui/",
        "/%69nternal/x",
    ],
)
def test_path_that_is_not_listed_does_not_exist(gateway, services, issuer, path):
    for token in (None, issuer.token(role="admin")):
        answer = gateway.ask(path, token=token)
        assert answer.status in ({400} if ".." in path else {404})
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert all(not service.received for service in services.values())


def test_docs_are_served_when_they_are_there(start_gateway, tmp_path):
    home = tmp_path / "gateway"
    (home / "static" / "docs").mkdir(parents=True)
    (home / "njs").symlink_to(start_gateway().settings["GATEWAY_DIR"] + "/njs")
    (home / "static" / "openapi.json").write_text("{}")
    (home / "static" / "docs" / "index.html").write_text("<p>docs</p>")
    (home / "static" / "docs" / "app.css").write_text("p {}")
    gateway = start_gateway(GATEWAY_DIR=str(home))
    for path, kind in [
        ("/docs", "text/html"),
        ("/docs/", "text/html"),
        ("/docs/app.css", "text/css"),
        ("/openapi.json", "application/json"),
        ("/openapi.json/", "application/json"),
    ]:
        answer = gateway.ask(path)
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith(kind)


def test_no_docs_are_served_where_none_were_made(start_gateway, tmp_path):
    home = tmp_path / "gateway"
    home.mkdir()
    (home / "njs").symlink_to(start_gateway().settings["GATEWAY_DIR"] + "/njs")
    gateway = start_gateway(GATEWAY_DIR=str(home))
    for path in ("/docs", "/docs/", "/docs/app.css", "/openapi.json"):
        assert gateway.ask(path).status == 404
