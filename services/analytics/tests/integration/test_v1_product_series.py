# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime, timedelta

import pytest

from analytics.app import create_app
from analytics.config import Config
from common.db import Database

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LAMP, CHAIR = 42, 43
GRACE = 7
RANGE = {"from": "2026-11-20T12:00:00Z", "to": "2026-11-20T15:00:00Z"}
NOTHING = {"views": 0, "unique_viewers": 0, "orders": 0, "units": 0, "revenue": "0.00"}


@pytest.fixture
def admin(token_factory) -> dict[str, str]:
    return token_factory.bearer(1, role="admin")


@pytest.fixture
def busy_lamp(hear, teller) -> None:
    """Three views by two viewers in the first hour, one by one of them in the third, two orders."""
    hear(
        teller.created(),
        teller.view(viewer=1, session="a", at=NOON),
        teller.view(viewer=1, session="b", at=NOON + timedelta(minutes=1)),
        teller.view(session="c", at=NOON + timedelta(minutes=59, seconds=59)),
        teller.view(session="c", at=NOON + timedelta(hours=2)),
        teller.view(CHAIR, viewer=2, at=NOON),
        teller.view(session="d", at=NOON - timedelta(milliseconds=1)),
        teller.view(session="d", at=NOON + timedelta(hours=3)),
        teller.placed("o-1", (LAMP, 2, 1250), (CHAIR, 1, 5), at=NOON + timedelta(minutes=7)),
        teller.placed("o-2", (LAMP, 1, 1205), at=NOON + timedelta(hours=2)),
        teller.placed("o-3", (LAMP, 9, 9999), at=NOON),
        teller.cancelled("o-3", (LAMP, 9, 9999)),
    )


@pytest.mark.usefixtures("busy_lamp")
def test_a_series_holds_every_hour_also_the_empty_ones(client, admin):
    response = client.get(
        "/v1/analytics/products/42", query_string=RANGE | {"bucket": "hour"}, headers=admin
    )

    assert response.status_code == 200
    assert response.json == {
        "product_id": LAMP,
        "bucket": "hour",
        "series": [
            {
                "at": "2026-11-20T12:00:00.000Z",
                "views": 3,
                "unique_viewers": 2,
                "orders": 1,
                "units": 2,
                "revenue": "25.00",
            },
            {"at": "2026-11-20T13:00:00.000Z", **NOTHING},
            {
                "at": "2026-11-20T14:00:00.000Z",
                "views": 1,
                "unique_viewers": 1,
                "orders": 1,
                "units": 1,
                "revenue": "12.05",
            },
        ],
        "totals": {
            "views": 4,
            "unique_viewers": 2,
            "orders": 2,
            "units": 3,
            "revenue": "37.05",
            "currency": "USD",
        },
    }


@pytest.mark.usefixtures("busy_lamp")
@pytest.mark.parametrize(
    ("bucket", "size", "first"),
    [("minute", 180, "2026-11-20T12:00:00.000Z"), ("day", 1, "2026-11-20T00:00:00.000Z")],
)
def test_other_buckets_hold_the_same_views(client, admin, bucket, size, first):
    response = client.get(
        "/v1/analytics/products/42", query_string=RANGE | {"bucket": bucket}, headers=admin
    )

    series = response.json["series"]
    assert (len(series), series[0]["at"]) == (size, first)
    # A day is whole: it also holds the views just before and just after the range.
    assert response.json["totals"]["views"] == (6 if bucket == "day" else 4)
    assert response.json["totals"]["unique_viewers"] == (3 if bucket == "day" else 2)
    assert sum(one["views"] for one in series) == response.json["totals"]["views"]


@pytest.mark.usefixtures("busy_lamp")
@pytest.mark.parametrize("ref", ["42", "l4mpl4mpl4mp", "LAMP-1", "42/"])
def test_a_product_has_three_names(client, admin, ref):
    response = client.get(f"/v1/analytics/products/{ref}", query_string=RANGE, headers=admin)

    assert response.json["product_id"] == LAMP
    assert response.json["bucket"] == "hour"


def test_without_a_range_the_last_day_is_shown(client, admin, hear, teller):
    now = datetime.now(UTC)
    hear(teller.created(), teller.view(at=now), teller.view(at=now - timedelta(days=3)))

    hours = client.get("/v1/analytics/products/42", headers=admin).json
    days = client.get("/v1/analytics/products/42?bucket=day", headers=admin).json

    assert (hours["totals"]["views"], len(hours["series"])) == (1, 25)
    assert (days["totals"]["views"], len(days["series"])) == (2, 31)


@pytest.mark.usefixtures("busy_lamp")
@pytest.mark.parametrize(
    ("user", "role", "status"),
    [(1, "admin", 200), (2, "analyst", 200), (GRACE, "user", 200), (8, "user", 403)],
)
def test_admins_analysts_and_the_seller_may_look(client, token_factory, user, role, status):
    response = client.get(
        "/v1/analytics/products/42", headers=token_factory.bearer(user, role=role)
    )

    assert response.status_code == status


@pytest.mark.usefixtures("busy_lamp")
def test_without_a_token_nobody_may_look(client):
    response = client.get("/v1/analytics/products/42")

    assert response.status_code == 401
    assert "WWW-Authenticate" in response.headers


@pytest.mark.parametrize("ref", ["42", "nothing", "%00", "%F0%9F%92%A9", str(2**63), "9" * 5000])
def test_a_product_that_nobody_told_of_is_not_found(client, admin, ref):
    response = client.get(f"/v1/analytics/products/{ref}", headers=admin)

    assert (response.status_code, response.json["code"]) == (404, "product_not_found")


@pytest.mark.usefixtures("busy_lamp")
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"bucket": "week"}, "bucket"),
        ({"bucket": ""}, "bucket"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-11-20"}, "from"),
        ({"to": "1763640000"}, "to"),
        ({"from": "2026-11-20T12:00:00Z", "to": "2026-11-20T12:00:00Z"}, "from"),
        ({"from": "2026-11-20T12:00:01Z", "to": "2026-11-20T12:00:00Z"}, "from"),
        (
            {"from": "2026-11-01T00:00:00Z", "to": "2026-11-20T00:00:00Z", "bucket": "minute"},
            "from",
        ),
        ({"from": "1970-01-01T00:00:00Z", "to": "9000-12-31T23:59:59Z", "bucket": "day"}, "from"),
        ({"from": "1970-01-01T00:00:00Z"}, "from"),
        ({"from": "9000-12-31T23:59:59Z"}, "from"),
        ({"start": "2026-11-20T12:00:00Z"}, "start"),
        ({"seller": "7"}, "seller"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(client, admin, query, field):
    response = client.get("/v1/analytics/products/42", query_string=query, headers=admin)

    assert response.status_code == 422
    assert response.content_type == "application/problem+json"
    assert field in response.json["errors"]


@pytest.mark.usefixtures("busy_lamp")
@pytest.mark.parametrize("to", ["1970-01-01T00:00:00Z", "9000-12-31T23:59:59.999999Z"])
@pytest.mark.parametrize("bucket", ["minute", "hour", "day"])
def test_the_ends_of_time_are_answered(client, admin, to, bucket):
    response = client.get(
        "/v1/analytics/products/42", query_string={"to": to, "bucket": bucket}, headers=admin
    )

    assert response.status_code == 200
    assert response.json["totals"]["views"] == 0


def test_only_reading_is_possible(client, admin):
    response = client.post("/v1/analytics/products/42", headers=admin, json={})

    assert (response.status_code, response.json["status"]) == (405, 405)


def test_a_database_that_is_away_is_a_503(service_settings, token_factory, admin):
    away = Database("mysql+pymysql://nobody@127.0.0.1:1/nothing")
    app = create_app(
        service_settings(Config, database=away),
        database=away,
        guard=token_factory.guard("analytics"),
    )
    response = app.test_client().get("/v1/analytics/products/42", headers=admin)

    assert response.status_code == 503
    assert "Retry-After" in response.headers
