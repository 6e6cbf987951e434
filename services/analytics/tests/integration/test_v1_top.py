# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime, timedelta

import pytest

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PATH = "/v1/analytics/top"
RANGE = {"from": "2026-11-20T12:00:00Z", "to": "2026-11-20T13:00:00Z"}


@pytest.fixture
def analyst(token_factory) -> dict[str, str]:
    return token_factory.bearer(2, role="analyst")


@pytest.fixture
def sold(hear, teller) -> None:
    hear(
        *(teller.view(1, at=NOON + timedelta(minutes=number)) for number in range(3)),
        teller.view(2),
        teller.view(3),
        teller.view(4, at=NOON + timedelta(hours=1)),
        teller.placed("o-1", (2, 5, 100), (1, 1, 199)),
        teller.placed("o-2", (2, 1, 100), at=NOON + timedelta(minutes=59)),
        teller.placed("o-3", (3, 50, 9999)),
        teller.cancelled("o-3", (3, 50, 9999)),
    )


@pytest.mark.usefixtures("sold")
@pytest.mark.parametrize(
    ("metric", "ranked"),
    [
        ("views", [(1, 3), (2, 1), (3, 1)]),
        ("units", [(2, 6), (1, 1)]),
        ("revenue", [(2, "6.00"), (1, "1.99")]),
    ],
)
def test_the_best_come_first_and_those_with_nothing_do_not_come(client, analyst, metric, ranked):
    response = client.get(PATH, query_string=RANGE | {"metric": metric}, headers=analyst)

    assert response.status_code == 200
    assert response.json == {
        "items": [{"product_id": product, "value": value} for product, value in ranked]
    }


@pytest.mark.usefixtures("sold")
def test_only_as_many_as_asked_for_come(client, analyst):
    response = client.get(PATH, query_string=RANGE | {"limit": 1}, headers=analyst)

    assert response.json == {"items": [{"product_id": 1, "value": 3}]}


def test_without_a_range_it_is_the_last_day(client, analyst, hear, teller):
    now = datetime.now(UTC)
    hear(teller.view(1, at=now), teller.view(2, at=now - timedelta(days=1, minutes=2)))

    assert client.get(PATH, headers=analyst).json == {"items": [{"product_id": 1, "value": 1}]}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"metric": "orders"}, "metric"),
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"limit": "1.5"}, "limit"),
        ({"from": "2026-11-20T12:00:00Z", "to": "2026-11-20T12:00:00Z"}, "from"),
        ({"from": "2020-11-20T12:00:00Z", "to": "2026-11-20T12:00:00Z"}, "from"),
        ({"sort": "asc"}, "sort"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(client, analyst, query, field):
    response = client.get(PATH, query_string=query, headers=analyst)

    assert response.status_code == 422
    assert field in response.json["errors"]
