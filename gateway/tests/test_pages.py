# SPDX-License-Identifier: Apache-2.0

"""Product pages: kept for a moment, and every view of one is written down."""

import hashlib
import hmac
import itertools
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from common.testing import eventually
from shipper.tail import Position, next_batch
from shipper.views import view_of

SURFACES = ["/v1/products", "/product", "/api/products"]
NUMBERS = itertools.count(1)
KEY = b"a-key-that-only-this-test-knows"


@pytest.fixture
def number():
    """A product that no other test has asked for: its pages are in no cache."""
    return next(NUMBERS)


@pytest.fixture
def page(number):
    return f"/v1/products/{number}"


@pytest.fixture
def catalog(services, reply, number):
    """A catalog with one product on all surfaces."""
    for path in [f"{surface}/{number}" for surface in SURFACES]:
        headers = {"X-Product-Id": str(number), "ETag": '"one"'}
        services["catalog"].replies[path] = reply(headers=headers, body=path.encode())
        services["catalog"].replies[f"{path}/"] = services["catalog"].replies[path]
    return services["catalog"]


@pytest.fixture
def views(gateway, number):
    """Waits for the product's views: nginx writes a line when the answer is already on its way."""

    def of_product():
        return [view for view in gateway.views() if view["product_id"] == number]

    def wait(count):
        eventually(lambda: len(of_product()) >= count, what=f"{count} views")
        return of_product()

    return wait


def burst(gateway, path, count=20, **request):
    answers = [gateway.ask(path, **request) for _ in range(count)]
    assert {answer.status for answer in answers} == {200}
    return answers


def once_a_second(since):
    """How often a page may have been fetched since then."""
    return int(time.time()) - int(since) + 1


def test_page_is_fetched_once_a_second_at_most(gateway, catalog, page):
    started = time.time()
    asked = 0
    while time.time() < started + 1.5 or asked <= 2 * once_a_second(started):
        assert gateway.ask(page).status == 200
        asked += 1
    assert len(catalog.received) <= once_a_second(started)


def test_changed_page_is_seen_within_a_second(gateway, catalog, reply, page):
    for _ in range(2):
        assert gateway.ask(page).status == 200
        body = str(time.time()).encode()
        catalog.replies[page] = reply(body=body)
        over = int(time.time()) + 1

        def is_new(body=body, over=over):
            asked_at = time.time()
            is_there = gateway.ask(page).body == body
            assert is_there or asked_at < over, "it outlives its second"
            return is_there

        eventually(is_new)


def test_surfaces_do_not_share_pages(gateway, catalog, number):
    for _ in range(5):
        for path in [f"{surface}/{number}" for surface in SURFACES]:
            assert gateway.ask(path).body == path.encode()
            assert gateway.ask(f"{path}/").body == path.encode()
            assert gateway.ask(f"{path}?x=1").body == path.encode()


@pytest.mark.parametrize("accept", [None, "text/html", "application/xml"])
def test_cache_never_answers_a_request_that_does_not_take_json(
    gateway, catalog, reply, accept, number
):
    burst(gateway, f"/product/{number}")
    catalog.replies[f"/product/{number}"] = reply(status=440)
    for _ in range(5):
        assert gateway.ask(f"/product/{number}", accept=accept).status == 440
    assert catalog.last().header("Accept") == accept


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html, */*;q=0.1"])
def test_cache_answers_whoever_takes_json(gateway, catalog, accept, number):
    started = time.time()
    burst(gateway, f"/product/{number}", accept=accept)
    assert len(catalog.received) <= once_a_second(started)


def test_plain_users_share_the_page_and_are_not_named(gateway, catalog, issuer, page):
    started = time.time()
    for user in range(1, 11):
        assert gateway.ask(page, token=issuer.token(sub=str(user))).status == 200
    assert len(catalog.received) <= once_a_second(started)
    assert catalog.last().header("X-User-Id") is None
    assert catalog.last().header("Authorization") is None


def test_admins_read_around_the_cache(gateway, catalog, issuer, page):
    token = issuer.token(role="admin")
    burst(gateway, page, 5, token=token)
    assert len(catalog.received) == 5
    assert catalog.last().header("X-User-Role") == "admin"
    assert catalog.last().header("Authorization") == f"Bearer {token}"


@pytest.mark.parametrize(
    ("method", "path"),
    [("PATCH", "/v1/products/x"), ("POST", "/v1/orders"), ("POST", "/product/add-stock")],
)
def test_whoever_has_written_reads_around_the_cache(gateway, catalog, issuer, page, method, path):
    writer, reader = issuer.token(sub="1"), issuer.token(sub="2")
    burst(gateway, page, 2, token=writer)
    assert gateway.ask(path, method, token=writer).status == 200
    before, started = len(catalog.received), time.time()
    burst(gateway, page, 5, token=writer)
    assert len(catalog.received) == before + 5
    burst(gateway, page, 5, token=reader)
    assert len(catalog.received) <= before + 5 + once_a_second(started)


def test_reads_know_the_writer_before_the_write_is_over(
    gateway, catalog, services, issuer, reply, page
):
    services["orders"].replies["/v1/orders"] = reply(hangs=True)
    writer = issuer.token()
    burst(gateway, page, 2, token=writer)
    with ThreadPoolExecutor(1) as pool:
        write = pool.submit(gateway.ask, "/v1/orders", "POST", token=writer)
        eventually(lambda: services["orders"].asked("/v1/orders"))
        before = len(catalog.received)
        burst(gateway, page, 3, token=writer)
        assert len(catalog.received) == before + 3
        assert not write.done()
        services["orders"].reset()


def test_answer_for_one_user_is_never_kept(gateway, catalog, issuer, reply, page):
    catalog.replies[page] = reply(body=b"for the admin only")
    burst(gateway, page, 5, token=issuer.token(role="admin"))
    catalog.replies[page] = reply(body=b"for everybody")
    assert gateway.ask(page).body == b"for everybody"


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 404},
        {"status": 500},
        {"status": 301, "headers": {"Location": "/v1/products/8"}},
        {"headers": {"Set-Cookie": "a=b"}},
        {"headers": {"Vary": "*"}},
    ],
    ids=str,
)
def test_what_must_not_be_kept_is_not(gateway, services, reply, answer):
    services["catalog"].replies["/v1/products/9"] = reply(**answer)
    for _ in range(5):
        assert gateway.ask("/v1/products/9").status == answer.get("status", 200)
    assert len(services["catalog"].received) == 5


def test_writes_and_lists_are_never_kept(gateway, catalog, issuer, page):
    for path, method in [(page, "PATCH"), ("/v1/products", "GET"), ("/products", "GET")]:
        before = len(catalog.received)
        burst(gateway, path, 3, method=method, token=issuer.token(role="admin"))
        assert len(catalog.received) == before + 3


def test_precondition_of_a_write_reaches_the_service(gateway, catalog, issuer, page):
    headers = {"If-Match": '"one"'}
    assert gateway.ask(page, "PATCH", token=issuer.token(), headers=headers).status
    assert catalog.last().header("If-Match") == '"one"'


@pytest.mark.parametrize("role", [None, "user", "admin"])
@pytest.mark.parametrize("condition", ['"one"', 'W/"one"', '"other", "one"', "*"])
def test_known_page_is_304(gateway, catalog, issuer, views, role, condition, page, number):
    token = issuer.token(role=role) if role else None
    for _ in range(3):
        answer = gateway.ask(page, token=token, headers={"If-None-Match": condition})
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["ETag"] == '"one"'
    assert [view["status"] for view in views(3)] == [304] * 3
    stale = {"If-None-Match": '"other"'}
    assert gateway.ask(page, token=token, headers=stale).status == 200


@pytest.mark.parametrize("surface", SURFACES)
def test_every_view_is_written_down_cached_or_not(gateway, catalog, views, number, surface):
    path, started = f"{surface}/{number}", time.time()
    answers = burst(gateway, path)
    assert len(catalog.received) <= once_a_second(started)
    assert [view["id"] for view in views(20)] == [a.headers["X-Request-Id"] for a in answers]
    assert {view["path"] for view in views(20)} == {path}


def test_line_of_the_view_log(gateway, catalog, views, issuer, page):
    before = time.time()
    gateway.ask(f"{page}?secret=x", token=issuer.token(sub="12"))
    (view,) = views(1)
    viewer = {"user", "address", "agent"}
    assert set(view) == {"id", "time", "product_id", "status", "path"} | viewer
    assert (view["user"], view["status"], view["path"]) == ("12", 200, page)
    assert before - 0.01 <= view["time"] <= time.time()
    assert (view["address"], view["agent"]) == ("127.0.0.1", "")
    assert "secret" not in gateway.view_log.read_text()


LONGEST_AGENT = 8 * 1024 - len("User-Agent: \r\n")


@pytest.mark.parametrize(
    "agent",
    [
        None,
        b"",
        b"-",
        b"Mozilla/5.0 (X11; Linux x86_64)",
        b'","session":"' + b"ab" * 16 + b'","x":"',
        b'"}\\"}\\u0041{"id":"' + b"0" * 32 + b'"',
        bytes(range(1, 32)).replace(b"\n", b"").replace(b"\r", b"") + b"\x7f",
        "Ж \u0085\u2028\ud83d".encode(errors="surrogatepass"),
        b"\xff\xc3(\xed\xa0\x80",
        b"a" * LONGEST_AGENT,
        b"\x01" * LONGEST_AGENT,
        b"\xff" * LONGEST_AGENT,
    ],
    ids=lambda agent: repr(agent and agent[:20]),
)
def test_whatever_an_agent_is_its_view_is_shipped(gateway, catalog, views, agent, number, page):
    sent = b"" if agent is None else b"User-Agent: " + agent + b"\r\n"
    head = b"GET %s HTTP/1.1\r\nHost: souk\r\nConnection: close\r\n" % page.encode()
    for _ in range(2):
        assert gateway.say(head + sent + b"\r\n").startswith(b"HTTP/1.1 200 ")
    assert len(views(2)) == 2

    shipped, position = [], Position()
    while (batch := next_batch(gateway.view_log, position, now=time.time())).lines:
        shipped += [view_of(line, KEY) for line in batch.lines]
        position = batch.position
    viewer = f"127.0.0.1\n{(agent or b'').decode(errors='replace')}".encode()
    sessions = [view.session for view in shipped if view.product_id == number]
    assert sessions == [hmac.new(KEY, viewer, hashlib.sha256).hexdigest()[:32]] * 2


def test_forged_or_expired_token_views_as_nobody(
    gateway, catalog, views, issuer, make_issuer, page
):
    for token in (make_issuer().token(), issuer.token(exp=1), "nonsense"):
        assert gateway.ask(page, token=token).status == 200
    assert [view["user"] for view in views(3)] == ["", "", ""]


def test_what_is_no_view(gateway, catalog, services, views, issuer, reply, number, page):
    named = {"X-Product-Id": str(number)}
    services["catalog"].replies["/v1/products/missing"] = reply(404, named)
    services["catalog"].replies["/v1/products"] = reply(headers=named)
    services["catalog"].replies["/v1/products/odd"] = reply(headers={"X-Product-Id": f"{number}x"})
    assert gateway.ask(page, "HEAD").status == 200
    assert gateway.ask(page, "PATCH", token=issuer.token()).status == 200
    assert gateway.ask(page, "OPTIONS").status == 200
    assert gateway.ask(page, "DELETE").status == 401
    assert gateway.ask("/v1/products/missing").status == 404
    assert gateway.ask("/v1/products").status == 200
    assert gateway.ask("/v1/products/odd").status == 200
    last = gateway.ask(page)
    assert [view["id"] for view in views(1)] == [last.headers["X-Request-Id"]]


def test_part_of_a_page_is_the_page(gateway, catalog, views, page):
    for _ in range(3):
        answer = gateway.ask(page, headers={"Range": "bytes=0-3"})
        assert answer.status == 200
    assert len(views(3)) == 3


def test_strange_names_do_not_break_the_line(gateway, services, views, reply, number):
    path = "/v1/products/%22%7b%c3%a9%ff"
    services["catalog"].replies[path] = reply(headers={"X-Product-Id": str(number)})
    assert gateway.ask(path, headers={"User-Agent": '"\\x'}).status == 200
    assert views(1)[0]["path"] == '/v1/products/"{é\ufffd'
