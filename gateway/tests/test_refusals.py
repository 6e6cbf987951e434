# SPDX-License-Identifier: Apache-2.0
"""How the gateway itself says no."""

import time

import pytest

MEMBERS = {
    "type",
    "title",
    "status",
    "detail",
    "instance",
    "request_id",
    "code",
    "message",
    "errors",
}
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def must_be_problem(answer, status, code):
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = answer.json()
    assert set(document) == MEMBERS
    assert document["status"] == status
    assert document["message"] == document["detail"]
    assert document["errors"] == {}
    assert document["request_id"] == answer.headers["X-Request-Id"]
    assert document["type"] == "/problems/" + code.replace("_", "-")
    must_be_safe(answer)


def must_be_safe(answer):
    for name, value in SECURITY.items():
        assert answer.headers.get_all(name) == [value]
    assert answer.headers["Server"] == "nginx"


def test_unknown_path_is_a_problem(gateway):
    answer = gateway.ask("/nothing?password=secret")
    must_be_problem(answer, 404, "not_found")
    assert answer.json()["instance"] == "/nothing"


def test_large_bodies(gateway, services, issuer):
    token = issuer.token()
    megabyte = b"x" * 1024 * 1024
    must_be_problem(
        gateway.ask("/v1/orders", "POST", token=token, body=megabyte + b"x"),
        413,
        "request_entity_too_large",
    )
    assert gateway.ask("/v1/orders", "POST", token=token, body=megabyte).status == 200
    assert gateway.ask("/v1/pictures", "POST", token=token, body=8 * megabyte).status == 200
    must_be_problem(
        gateway.ask("/v1/pictures", "POST", token=token, body=8 * megabyte + b"x"),
        413,
        "request_entity_too_large",
    )
    assert len(services["orders"].received) == 1


def test_large_body_that_does_not_say_its_size(gateway, services, issuer):
    head = (
        f"POST /v1/orders HTTP/1.1\r\nHost: souk\r\nAuthorization: {issuer.token()}\r\n"
        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    answer = gateway.say(head.encode() + 20 * chunk + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"request_entity_too_large" in answer
    assert services["orders"].received == []


def test_long_address_and_large_headers(gateway):
    must_be_problem(gateway.ask("/" + "x" * 100_000), 414, "uri_too_long")
    many = {f"X-{number}": "x" * 1000 for number in range(50)}
    must_be_problem(gateway.ask("/", headers=many), 431, "request_header_fields_too_large")
    one = {"X-Large": "x" * 100_000}
    must_be_problem(gateway.ask("/", headers=one), 431, "request_header_fields_too_large")


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
def test_methods_that_nobody_takes(gateway, services, issuer, method):
    answer = gateway.ask("/v1/orders", method, token=issuer.token())
    must_be_problem(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]
    assert services["orders"].received == []


@pytest.mark.parametrize(
    "path",
    [
        "/v1//orders",
        "//v1/orders",
        "/v1/orders//",
        "/v1/products/a%2fb",
        "/v1/products/a%2Fb",
        "/v1/products/a%5cb",
        "/v1/products/a\\b",
        "/v1/products/a%00",
        "/v1/products/a%0a",
        "/v1/products/a;b",
        "/v1/products/a%3Bb",
        "/v1/products/../orders",
        "/v1/./orders",
        "/v1/products/..",
        "/internal/%2e%2e/v1/orders",
        "/v1/orders/.%2E?x",
    ],
)
def test_path_that_can_be_read_in_two_ways_is_refused(gateway, services, issuer, path):
    must_be_problem(gateway.ask(path, token=issuer.token()), 400, "bad_request")
    assert all(not service.asked(path) for service in services.values())


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: user@souk\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: souk:80:81\r\n\r\n",
        b"G=T / HTTP/1.1\r\nHost: souk\r\n\r\n",
        b"GET / HTTP/x\r\nHost: souk\r\n\r\n",
        b"GET /%zz HTTP/1.1\r\nHost: souk\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_request_that_is_none_is_refused_in_json(gateway, raw):
    answer = gateway.say(raw)
    assert b" 400 " in answer.split(b"\r\n")[0]
    assert b'"code":"bad_request"' in answer
    assert b"nosniff" in answer


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 6\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 6",
        b"Content-Length: 6\r\nContent-Length: 7",
        b"Content-Length: +6",
        b"Content-Length: 6, 6",
        b"Content-Length: 0x6",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding : chunked",
        b"X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 6, 0",
    ],
)
def test_body_with_two_ends_is_refused(gateway, services, framing):
    smuggled = b"GET /v1/products/smuggled HTTP/1.1\r\nHost: souk\r\n\r\n"
    answer = gateway.say(
        b"POST /v1/auth/login HTTP/1.1\r\nHost: souk\r\n"
        + framing
        + b"\r\n\r\n0\r\n\r\n\r\n"
        + smuggled
    )
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.split(b" ")[1] in {b"400", b"501"}
    assert b"application/problem+json" in answer
    assert services["auth"].asked("/v1/auth/login") == []
    assert services["catalog"].received == []


def test_service_that_is_down(start_gateway, own_services, issuer):
    gateway = start_gateway()
    own_services["catalog"].stop()
    answer = gateway.ask("/v1/products")
    must_be_problem(answer, 503, "unavailable")
    assert answer.headers["Retry-After"]
    must_be_problem(gateway.ask("/products"), 502, "bad_gateway")
    must_be_problem(gateway.ask("/product/7"), 502, "bad_gateway")
    answer = gateway.ask("/api/picture", token=issuer.token())
    assert (answer.status, answer.json()["code"], answer.json()["data"]) == (502, 502, None)


def test_service_that_hangs(start_gateway, own_services, reply):
    gateway = start_gateway(UPSTREAM_READ_TIMEOUT="200ms")
    own_services["catalog"].replies["/v1/products"] = reply(hangs=True)
    must_be_problem(gateway.ask("/v1/products"), 503, "unavailable")


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_write_that_broke_is_not_sent_again(gateway, services, issuer, reply, method):
    services["orders"].replies["/v1/orders"] = reply(breaks=True)
    answer = gateway.ask("/v1/orders", method, token=issuer.token(), body=b"{}")
    must_be_problem(answer, 503, "unavailable")
    assert len(services["orders"].received) == 1


def test_refusals_of_services_pass_untouched(gateway, services, issuer, reply):
    body = b'{"code": "insufficient_stock"}'
    kind = {"Content-Type": "application/problem+json"}
    for status in (400, 401, 404, 405, 409, 413, 422, 429, 500, 503):
        services["orders"].replies["/v1/orders"] = reply(status, kind, body)
        answer = gateway.ask("/v1/orders", token=issuer.token())
        assert (answer.status, answer.body) == (status, body)
        must_be_safe(answer)


def test_envelope_of_the_picture_surface(gateway, issuer):
    def coded(answer):
        assert answer.headers["Content-Type"] == "application/json"
        assert set(answer.json()) == {"message", "code", "data"}
        assert answer.json()["data"] is None
        must_be_safe(answer)
        return answer.status, answer.json()["code"]

    expired = issuer.token(exp=int(time.time()) - 1)
    assert coded(gateway.ask("/api/picture")) == (403, 7)
    assert coded(gateway.ask("/api/picture/?page=1")) == (403, 7)
    assert coded(gateway.ask("/api/picture", headers={"Authorization": expired})) == (401, 8)
    assert coded(gateway.ask("/api/picture", headers={"Authorization": "nonsense"})) == (401, 9)
    assert coded(gateway.ask("/api/picture", headers={"Authorization": expired[:-4]})) == (401, 9)
    body = b"x" * (8 * 1024 * 1024 + 1)
    sent = {"Authorization": issuer.token()}
    assert coded(gateway.ask("/api/picture", "POST", headers=sent, body=body)) == (413, 2)
    large = b"x" * (1024 * 1024 + 1)
    assert coded(gateway.ask("/api/user/login", "POST", body=large)) == (413, 2)
    assert coded(gateway.ask("/api/user/other")) == (404, 404)
    assert coded(gateway.ask("/api/user/login", "TRACE")) == (405, 405)


def test_no_answer_names_a_host_that_the_client_chose(gateway, services):
    raw = b"GET /docs HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert b"evil" not in gateway.say(raw)
    absolute = (
        b"GET http://evil.example/nothing HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n\r\n"
    )
    assert b"evil" not in gateway.say(absolute)


def test_too_many_requests_from_one_address(start_gateway, own_services):
    gateway = start_gateway(RATE_LIMIT_FACTOR="0.1", ADDRESS_RATE="1")
    answers = [gateway.ask("/v1/products") for _ in range(80)]
    assert [answer.status for answer in answers[:40]] == [200] * 40
    refused = [answer for answer in answers if answer.status == 429]
    assert refused
    must_be_problem(refused[0], 429, "too_many_requests")
    assert int(refused[0].headers["Retry-After"]) >= 1
    elsewhere = {"X-Forwarded-For": "10.0.0.1", "X-Real-IP": "10.0.0.1"}
    answers = [gateway.ask("/v1/products", headers=elsewhere) for _ in range(20)]
    assert 429 in {answer.status for answer in answers}
    must_be_problem(
        next(a for a in (gateway.ask("/nothing") for _ in range(200)) if a.status == 429),
        429,
        "too_many_requests",
    )


@pytest.mark.parametrize(
    ("paths", "at_once"),
    [
        (["/v1/auth/signup", "/users/SignUp", "/api/user/register", "/customer/add"], 20),
        (["/v1/auth/login", "/users/SignIn", "/users/login", "/api/user/login"], 60),
    ],
)
def test_sign_ups_and_log_ins_are_counted_over_all_surfaces(
    start_gateway, own_services, paths, at_once
):
    gateway = start_gateway(RATE_LIMIT_FACTOR="1")
    statuses = [
        gateway.ask(paths[number % len(paths)], "POST").status for number in range(at_once + 10)
    ]
    assert statuses[:at_once] == [200] * at_once
    assert 429 in statuses[at_once:]
    assert gateway.ask("/v1/products").status == 200


def test_one_token_is_limited_from_wherever_it_comes(start_gateway, issuer):
    gateway = start_gateway(RATE_LIMIT_FACTOR="0.1", ADDRESS_RATE="10000", ADDRESS_BURST="10000")
    busy, other = issuer.token(), issuer.token()
    assert 429 in {gateway.ask("/v1/orders", token=busy).status for _ in range(40)}
    assert gateway.ask("/v1/orders", token=other).status == 200
