# SPDX-License-Identifier: Apache-2.0
"""Two workers with the same view, in every order in which their statements can come."""

from datetime import UTC, datetime
from uuid import UUID

from analytics.commands import Count, NewView, add_counts, record_views
from common.testing.interleavings import Interleavings

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LAMP = 42
DEADLOCK = 1213


def handle(session, *, has_order) -> None:
    if has_order:
        add_counts(session, {(NOON, LAMP): Count(orders=1)})
    view = NewView(
        at=NOON, event_id=UUID(int=1), product_id=LAMP, viewer_id=1, session="5e55", status=200
    )
    record_views(session, views=[view])


def work(database, has_order) -> str:
    database.run(handle, has_order=has_order)
    return "done"


def test_the_same_view_at_two_workers_counts_once_in_every_order(database, clean, counted):
    """One of them has counted an order in the view's minute: some of the orders are a deadlock."""

    def jobs():
        clean(database)
        return [{"has_order": True}, {"has_order": False}]

    lost = set()
    with Interleavings(database, [work, work]) as both:
        for play in both.every(jobs):
            assert play.words == ["done", "done"], play
            assert counted() == {(NOON, LAMP): (1, 1, 0, 0)}, play
            lost.update(play.lost_races)

    assert DEADLOCK in lost
