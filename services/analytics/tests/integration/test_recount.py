# SPDX-License-Identifier: Apache-2.0
"""The counters equal a recount of the raw rows, whatever arrives in whatever order."""

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LAMP, CHAIR = 42, 43

LINES = {
    "o-1": [(LAMP, 2, 1250)],
    "o-2": [(LAMP, 1, 1250), (CHAIR, 3, 99)],
    "o-3": [(CHAIR, 1, 100), (CHAIR, 2, 90)],
}
"""An order's lines never change, however often it is told."""

moments = some.integers(-1500, 1500).map(lambda number: NOON + timedelta(seconds=37 * number))
views = some.tuples(
    some.just("view"), some.sampled_from([LAMP, CHAIR]), some.none() | some.integers(1, 3), moments
)
orders = some.tuples(
    some.sampled_from(["placed", "cancelled"]), some.sampled_from(sorted(LINES)), moments
)
happenings = some.lists(views | orders, min_size=1, max_size=15)
repeats = some.lists(some.integers(0, 14), max_size=10)
quick = settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def tell(teller, happened):
    match happened:
        case ("view", product, viewer, at):
            return teller.view(product, viewer=viewer, at=at)
        case ("placed", order, at):
            return teller.placed(order, *LINES[order], at=at)
        case ("cancelled", order, at):
            return teller.cancelled(order, *LINES[order], at=at)


@quick
@given(happened=happenings, again=repeats, random=some.randoms())
def test_counters_equal_a_recount_after_duplicates_and_disorder(
    *, database, clean, teller, hear, counted, recounted, happened, again, random
):
    told = [tell(teller, one) for one in happened]
    deliveries = told + [told[number % len(told)] for number in again]
    clean(database)
    for start in range(0, len(deliveries), 4):
        hear(*deliveries[start : start + 4])
    first = counted()

    assert first == recounted()
    assert sum(views for views, *_ in first.values()) == sum(one[0] == "view" for one in happened)

    clean(database)
    random.shuffle(deliveries)
    hear(*deliveries)

    assert counted() == first
