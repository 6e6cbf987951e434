# SPDX-License-Identifier: Apache-2.0
import csv
import io
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from sqlalchemy import text

from analytics import exports, queries
from analytics.handlers import on_products_viewed
from common.clock import rfc3339
from common.problems import Unavailable

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LAMP, CHAIR = 42, 43
PATH = "/v1/analytics/views"


@pytest.fixture
def analyst(token_factory) -> dict[str, str]:
    return token_factory.bearer(2, role="analyst")


@pytest.fixture
def told(hear, teller):
    """Ten views, of which pairs share their time; in the order of a list."""
    views = [
        teller.view(
            CHAIR if number % 5 == 0 else LAMP,
            viewer=number % 3 or None,
            at=NOON + timedelta(minutes=number // 2),
        )
        for number in range(10)
    ]
    hear(teller.created(), *reversed(views))
    return sorted(views, key=lambda one: (one[1].time, one[1].id))


def ids(told) -> list[str]:
    return [str(envelope.id) for _, envelope in told]


def listed(response) -> list[str]:
    assert response.status_code == 200
    return [item["event_id"] for item in response.json["items"]]


def test_views_are_listed_oldest_first(client, analyst, told):
    response = client.get(PATH, headers=analyst)

    assert listed(response) == ids(told)
    event, envelope = told[0]
    assert response.json["items"][0] == {
        "event_id": str(envelope.id),
        "product_id": event.product_id,
        "viewer_id": event.viewer_id,
        "at": "2026-11-20T12:00:00.000Z",
    }
    assert response.json["next_cursor"] is None


@pytest.mark.parametrize("limit", [1, 3, 5, 9, 10, 200])
def test_pages_hold_every_view_once(client, analyst, told, limit):
    pages, cursor = [], {}
    while True:
        response = client.get(PATH, query_string={"limit": limit, **cursor}, headers=analyst)
        pages += listed(response)
        if response.json["next_cursor"] is None:
            break
        assert len(response.json["items"]) == limit
        cursor = {"cursor": response.json["next_cursor"]}

    assert pages == ids(told)


def test_a_view_that_comes_while_somebody_reads_is_on_a_later_page(
    client, analyst, told, hear, teller
):
    first = client.get(PATH, query_string={"limit": 5}, headers=analyst)
    new = teller.view(at=NOON + timedelta(hours=1))
    hear(new)
    rest = client.get(
        PATH, query_string={"cursor": first.json["next_cursor"], "limit": 200}, headers=analyst
    )

    assert listed(first) + listed(rest) == ids([*told, new])


@pytest.mark.parametrize("product", ["42", "l4mpl4mpl4mp", "LAMP-1"])
def test_one_products_views_are_listed(client, analyst, told, product):
    response = client.get(PATH, query_string={"product": product}, headers=analyst)

    assert listed(response) == ids(one for one in told if one[0].product_id == LAMP)


def test_views_of_a_product_whose_news_are_late_are_listed_by_its_id(client, analyst, told):
    response = client.get(PATH, query_string={"product": "43"}, headers=analyst)

    assert listed(response) == ids(one for one in told if one[0].product_id == CHAIR)


def test_one_viewers_views_are_listed(client, analyst, told):
    response = client.get(PATH, query_string={"user": 2, "product": LAMP}, headers=analyst)

    assert listed(response) == ids(
        one for one in told if (one[0].viewer_id, one[0].product_id) == (2, LAMP)
    )
    assert listed(response)


def test_a_range_holds_its_start_and_not_its_end(client, analyst, told):
    query = {"from": "2026-11-20T12:01:00Z", "to": "2026-11-20T13:03:00+01:00"}
    response = client.get(PATH, query_string=query, headers=analyst)

    assert listed(response) == ids(told[2:6])


def test_a_cursor_is_good_for_its_own_list_only(client, analyst, told):
    cursor = client.get(PATH, query_string={"limit": 2}, headers=analyst).json["next_cursor"]
    wrong = [
        {"cursor": cursor, "product": 42},
        {"cursor": cursor, "user": 1},
        {"cursor": cursor, "to": "2026-11-20T12:00:00Z"},
        {"cursor": cursor[:-2] + "AA"},
        {"cursor": "x"},
        {"cursor": ""},
        {"cursor": "ñ"},
    ]

    for query in wrong:
        response = client.get(PATH, query_string=query, headers=analyst)
        assert (response.status_code, list(response.json["errors"])) == (422, ["cursor"]), query


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"user": 0}, "user"),
        ({"user": "ada"}, "user"),
        ({"user": 2**63}, "user"),
        ({"user": "9" * 5000}, "user"),
        ({"product": ""}, "product"),
        ({"format": "xml"}, "format"),
        ({"from": "2026-11-20T12:00:00Z", "to": "2026-11-20T12:00:00Z"}, "from"),
        ({"page": 2}, "page"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(client, analyst, query, field):
    response = client.get(PATH, query_string=query, headers=analyst)

    assert response.status_code == 422
    assert field in response.json["errors"]


@pytest.mark.parametrize("product", ["nothing", str(2**63), "ñ"])
def test_views_of_an_unknown_name_are_not_found(client, analyst, product):
    response = client.get(PATH, query_string={"product": product}, headers=analyst)

    assert (response.status_code, response.json["code"]) == (404, "product_not_found")


@pytest.mark.parametrize("path", [PATH, "/v1/analytics/top"])
def test_only_admins_and_analysts_may_look(client, token_factory, path):
    def status(headers) -> int:
        return client.get(path, headers=headers).status_code

    assert status(token_factory.bearer(1, role="admin")) == 200
    assert status(token_factory.bearer(2, role="analyst")) == 200
    assert status(token_factory.bearer(7, role="user")) == 403
    assert status({}) == 401
    assert status({"Authorization": "Bearer forged"}) == 401


@pytest.mark.parametrize("query", [{"product_id": LAMP}, {"viewer_id": 1}, {"start": NOON}])
def test_a_page_reads_little_more_than_it_shows(database, teller, query):
    many = [
        teller.view(number % 50, viewer=number % 20, at=NOON + timedelta(seconds=number))
        for number in range(2000)
    ]
    database.run(on_products_viewed, many)
    with database.engine.begin() as connection:
        connection.execute(text("ANALYZE TABLE views"))
    asked = {"product_id": None, "viewer_id": None, "start": None, "end": None, "after": None}

    def rows_read(session) -> int:
        status = session.execute(text("SHOW SESSION STATUS LIKE 'Handler_read%'"))
        return sum(int(value) for _, value in status)

    def read_one_page(session) -> int:
        before = rows_read(session)
        assert len(queries.list_views(session, **asked | query, limit=10)) == 10
        return rows_read(session) - before

    assert database.read(read_one_page) <= 2 * 10


def test_the_address_may_hold_anything(client, analyst):
    junk = urlencode({"product": "'; DROP TABLE views; --", "user": "1 OR 1=1"})
    response = client.get(f"{PATH}?{junk}", headers=analyst)

    assert response.status_code == 422


@pytest.fixture
def seller(token_factory) -> dict[str, str]:
    return token_factory.bearer(7, role="user")


@pytest.fixture
def small_pages(monkeypatch) -> None:
    monkeypatch.setattr(exports, "ROWS_AT_ONCE", 3)


def rows_of_csv(response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(response.text, newline="")))


def test_a_seller_lists_the_views_of_own_products(client, seller, told):
    response = client.get(PATH, query_string={"product": "LAMP-1"}, headers=seller)

    assert listed(response) == ids(one for one in told if one[0].product_id == LAMP)


@pytest.mark.parametrize("export", ["json", "ndjson", "csv"])
def test_a_seller_sees_no_views_of_others_products(client, seller, told, hear, teller, export):
    hear(teller.created(CHAIR, sku="CHAIR-1", public_id="ch41rch41rch", seller=8))

    def status(**query) -> int:
        query |= {"format": export}
        return client.get(PATH, query_string=query, headers=seller).status_code

    assert status() == 403
    assert status(user=7) == 403
    assert status(product=CHAIR) == 403
    assert status(product="CHAIR-1") == 403
    assert status(product=44) == 404


@pytest.mark.usefixtures("small_pages")
def test_ndjson_holds_every_view_a_line_each(client, analyst, told):
    response = client.get(PATH, query_string={"format": "ndjson"}, headers=analyst)

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/x-ndjson"
    assert response.headers["Content-Disposition"] == 'attachment; filename="views.ndjson"'
    assert response.data.endswith(b"\n")
    listing = client.get(PATH, headers=analyst).json["items"]
    assert [json.loads(line) for line in response.text.splitlines()] == listing
    assert len(listing) == len(told)


@pytest.mark.usefixtures("small_pages")
def test_csv_names_its_columns_and_holds_every_view(client, analyst, told):
    response = client.get(PATH, query_string={"format": "csv"}, headers=analyst)

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="views.csv"'
    assert response.text.startswith("event_id,product_id,viewer_id,at\r\n")
    assert rows_of_csv(response) == [
        {
            "event_id": str(envelope.id),
            "product_id": str(event.product_id),
            "viewer_id": str(event.viewer_id or ""),
            "at": rfc3339(envelope.time),
        }
        for event, envelope in told
    ]


@pytest.mark.parametrize(("export", "empty"), [("ndjson", 0), ("csv", 1)])
def test_an_export_of_nothing_is_complete(client, analyst, export, empty):
    response = client.get(PATH, query_string={"format": export}, headers=analyst)

    assert response.status_code == 200
    assert len(response.text.splitlines()) == empty


def test_an_export_takes_the_same_filters_as_the_list(client, analyst, told):
    query = {"product": "LAMP-1", "user": 2, "from": "2026-11-20T12:01:00Z", "format": "csv"}
    found = rows_of_csv(client.get(PATH, query_string=query, headers=analyst))
    listing = client.get(PATH, query_string=query | {"format": "json"}, headers=analyst)

    assert [row["event_id"] for row in found] == listed(listing)
    assert found


def test_an_export_may_begin_where_a_page_ended(client, analyst, told):
    cursor = client.get(PATH, query_string={"limit": 4}, headers=analyst).json["next_cursor"]
    query = {"cursor": cursor, "format": "csv"}
    rest = rows_of_csv(client.get(PATH, query_string=query, headers=analyst))

    assert [row["event_id"] for row in rest] == ids(told[4:])


@pytest.mark.parametrize("export", ["ndjson", "csv"])
def test_an_export_has_no_limit(client, analyst, export):
    query = {"format": export, "limit": 10}
    response = client.get(PATH, query_string=query, headers=analyst)

    assert (response.status_code, list(response.json["errors"])) == (422, ["limit"])


@pytest.mark.parametrize("export", ["json", "ndjson", "csv"])
def test_head_says_what_get_would_without_a_body(client, analyst, told, export):
    head = client.head(PATH, query_string={"format": export}, headers=analyst)
    full = client.get(PATH, query_string={"format": export}, headers=analyst)

    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Type"] == full.headers["Content-Type"]


@pytest.mark.usefixtures("small_pages", "told")
@pytest.mark.parametrize("export", ["ndjson", "csv"])
def test_an_export_reads_a_page_only_when_it_is_asked_for(client, analyst, monkeypatch, export):
    asked, read = [], queries.list_views

    def counting(session, **wanted):
        asked.append(wanted["limit"])
        return read(session, **wanted)

    monkeypatch.setattr(queries, "list_views", counting)
    response = client.get(PATH, query_string={"format": export}, headers=analyst, buffered=False)
    assert asked == [3]

    assert b"".join(response.iter_encoded())
    assert asked == [3, 3, 3, 3]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("export", ["ndjson", "csv"])
def test_an_export_that_breaks_in_the_middle_raises_into_the_server(
    client, analyst, told, monkeypatch, export
):
    """The server cuts the connection then; a complete file is never feigned."""
    read = queries.list_views

    def breaking(session, **wanted):
        if wanted["after"] is not None:
            raise Unavailable
        return read(session, **wanted)

    monkeypatch.setattr(queries, "list_views", breaking)
    response = client.get(PATH, query_string={"format": export}, headers=analyst, buffered=False)
    chunks = response.iter_encoded()

    assert response.status_code == 200
    with pytest.raises(Unavailable):
        list(chunks)


@pytest.mark.parametrize("export", ["ndjson", "csv"])
def test_an_export_that_can_not_begin_is_a_problem(client, analyst, monkeypatch, export):
    def breaking(_session, **_wanted):
        raise Unavailable

    monkeypatch.setattr(queries, "list_views", breaking)
    response = client.get(PATH, query_string={"format": export}, headers=analyst)

    assert (response.status_code, response.json["code"]) == (503, "unavailable")
