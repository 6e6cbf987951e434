# SPDX-License-Identifier: Apache-2.0
"""The days of the views: each has a partition, made ahead, and dropped whole when it is old."""

from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import func, text
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Session

from analytics.audit import minutes_match_views
from analytics.models import ViewHorizon
from common.db import Database
from common.logs import get_logger

log = get_logger(__name__)

A_DAY = timedelta(days=1)


def partitions(session: Session) -> list[str]:
    """The names of the days' partitions, oldest first, without the last one, which has no end."""
    names = session.scalars(
        text(
            "SELECT partition_name FROM information_schema.partitions"
            " WHERE table_schema = DATABASE() AND table_name = 'views'"
            " AND partition_name <> 'p_future' ORDER BY partition_name"
        )
    )
    return list(names)


def add_partitions(session: Session, *, today: date, days_ahead: int) -> list[str]:
    """Give each day up to *days_ahead* from *today* a partition; returns the names of new ones.

    Days that were missed while nobody ran this get theirs, too. A view of a day without one goes to
    the last partition, so a late run loses nothing: it moves those rows. Schema changes commit by
    themselves; running twice is harmless.
    """
    existing = partitions(session)
    first = min(today, _day(existing[-1]) + A_DAY) if existing else today
    days = [first + number * A_DAY for number in range((today - first).days + days_ahead + 1)]
    new = [day for day in days if _partition(day) > max(existing, default="")]
    if not new:
        return []
    parts = ", ".join(
        f"PARTITION {_partition(day)} VALUES LESS THAN ('{day + A_DAY}')" for day in new
    )
    _alter(
        session,
        "REORGANIZE PARTITION p_future INTO "
        f"({parts}, PARTITION p_future VALUES LESS THAN (MAXVALUE))",
    )
    return [_partition(day) for day in new]


def drop_old(database: Database, *, today: date, kept_days: int) -> list[str]:
    """Drop all days but today and the *kept_days* before it; returns the names of what went.

    A day whose counters are not what its views say is the only proof of what is right: nothing
    goes until that is repaired.

    Effects:
        One statement, however many views: it waits for those who are writing views, and nobody
        waits for its work. Before it ``view_horizon`` moves; whoever stored a view before that is
        waited for, and whoever does after it is refused.
    """
    since = today - kept_days * A_DAY
    old = [name for name in database.read(partitions) if name < _partition(since)]
    if not old:
        return []
    is_closed = database.run(_close, until=datetime.combine(since, time(), UTC))
    if not is_closed:
        return []
    database.run(_alter, f"DROP PARTITION {', '.join(old)}")
    log.info("old_views_dropped", partitions=old)
    return old


def _close(session: Session, *, until: datetime) -> bool:
    for violation in minutes_match_views(session, until=until):
        log.error("old_views_are_miscounted", subject=violation.subject, detail=violation.detail)
        return False
    row = insert(ViewHorizon).values(id=1, since=until)
    furthest = func.greatest(ViewHorizon.since, row.inserted.since)
    session.execute(row.on_duplicate_key_update(since=furthest))
    return True


def _alter(session: Session, change: str) -> None:
    # Whoever waits for a table's metadata lock stops everybody behind it: rather give up early.
    session.execute(text("SET SESSION lock_wait_timeout = 3"))
    session.execute(text(f"ALTER TABLE views {change}"))


def _partition(day: date) -> str:
    return f"p{day:%Y%m%d}"


def _day(partition: str) -> date:
    return date.fromisoformat(partition.removeprefix("p"))
