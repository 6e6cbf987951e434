# SPDX-License-Identifier: Apache-2.0
"""Who asks is known from the token, and from nothing else that a client says."""

import itertools

import pytest

FORGED = {
    "X-User-Id": "1",
    "X-USER-ID": "1",
    "x-user-id": "1",
    "X_User_Id": "1",
    "X-User_Id": "1",
    "X-User-Role": "admin",
    "X_USER_ROLE": "admin",
    "X-User-Name": "root",
    "X-Role": "admin",
    "X-User": "root",
    "X-Real-IP": "10.0.0.1",
    "X-Forwarded-For": "10.0.0.1, 10.0.0.2",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-User": "root",
    "Forwarded": "for=10.0.0.1",
    "SCRIPT_NAME": "/evil",
    "Script-Name": "/evil",
    "PATH_INFO": "/evil",
    "Path-Info": "/evil",
    "REMOTE_USER": "root",
    "Remote-User": "root",
    "X-Remote-User": "root",
    "X-Original-URL": "/internal",
    "X-Rewrite-URL": "/internal",
    "X-HTTP-Method-Override": "DELETE",
    "X-Souk-Actor": "user/1",
    "X-Auth-Mode": "optional",
    "Traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
    "Tracestate": "evil=1",
    "Baggage": "user=root",
    "Proxy": "http://evil.example",
}
EXPECTED = {
    "host",
    "x-request-id",
    "x-real-ip",
    "x-forwarded-for",
    "x-forwarded-proto",
    "accept",
    "accept-encoding",
    "content-length",
}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/products"),
        ("GET", "/v1/products/7"),
        ("GET", "/product/7"),
        ("POST", "/v1/auth/signup"),
        ("POST", "/v1/auth/login"),
        ("POST", "/customer/add"),
        ("POST", "/cart/add"),
        ("GET", "/v1/pictures/7/raw"),
    ],
)
def test_nothing_that_a_client_says_about_itself_gets_through(gateway, services, method, path):
    assert gateway.ask(path, method, headers=FORGED).status == 200
    got = next(service for service in services.values() if service.asked(path)).last()
    assert {name.lower() for name, _ in got.headers} <= EXPECTED
    assert got.header("X-Real-IP") == "127.0.0.1"
    assert got.header("X-Forwarded-For") == "127.0.0.1"
    assert got.header("X-Forwarded-Proto") == "http"


def test_signed_in_user_can_not_become_another(gateway, services, issuer):
    assert gateway.ask("/v1/orders", token=issuer.token(sub="7"), headers=FORGED).status == 200
    got = services["orders"].last()
    assert got.header("X-User-Id") == "7"
    assert got.header("X-User-Role") == "user"
    assert got.header("X-User-Name") == "anna"


def test_headers_sent_twice_are_overwritten_twice(gateway, services, issuer):
    token = issuer.token(sub="7")
    names = ["X-User-Id", "x-user-id", "X-USER-ID"]
    for one, other in itertools.product(names, names):
        raw = (
            f"GET /v1/orders HTTP/1.1\r\nHost: souk\r\nAuthorization: Bearer {token}\r\n"
            f"{one}: 1\r\n{other}: 2\r\nConnection: close\r\n\r\n"
        )
        assert gateway.say(raw.encode()).startswith(b"HTTP/1.1 200")
        assert services["orders"].last().header("X-User-Id") == "7"


def test_request_id_is_ours(gateway, services, issuer):
    answer = gateway.ask("/v1/orders", token=issuer.token(), headers={"X-Request-Id": "mine"})
    assert len(answer.headers["X-Request-Id"]) == 32
    assert services["orders"].last().header("X-Request-Id") == answer.headers["X-Request-Id"]


def test_service_can_not_change_the_request_id(gateway, services, reply):
    services["catalog"].replies["/v1/products"] = reply(headers={"X-Request-Id": "other"})
    assert len(gateway.ask("/v1/products").headers.get_all("X-Request-Id")) == 1
    assert gateway.ask("/v1/products").headers["X-Request-Id"] != "other"


def test_token_is_in_no_file(gateway, issuer):
    token = issuer.token()
    assert gateway.ask("/v1/orders", token=token).status == 200
    signature = token.rpartition(".")[2].encode()
    files = [path for path in gateway.directory.rglob("*") if path.is_file()]
    assert any("verdict_cache" in str(path) for path in files)
    assert not any(signature in path.read_bytes() for path in files)
