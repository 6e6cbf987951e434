# SPDX-License-Identifier: Apache-2.0
"""Each service's schema, and the settings of its server that our promises stand on."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from common.clock import utcnow
from common.db import Database, database_clock
from common.outbox import backlog, outbox_messages
from soukctl.checks.finding import Finding, unknown, well, wrong
from soukctl.config import SERVICES, Config, SettingsMissing
from soukctl.databases import database_of, tables_of, words_of
from soukctl.db import compare
from soukctl.shop import Refused

MOST_SKEW_SECONDS = 2.0
MOST_OUTBOX_SECONDS = 60.0
SMALLEST_PACKET = 16 * 1024**2
VARIABLES = text(
    "SHOW VARIABLES WHERE Variable_name IN ('innodb_flush_log_at_trx_commit', 'log_bin', "
    "'sync_binlog', 'binlog_format', 'sql_mode', 'max_allowed_packet', 'character_set_database', "
    "'tx_isolation', 'transaction_isolation')"
)


def databases(config: Config) -> Iterator[Finding]:
    """Whether each schema is reachable and what the code wants, and its server safe and on time."""
    for service in SERVICES:
        subject = f"{service} database"
        try:
            yield from _database(config, service, subject)
        except SettingsMissing as error:
            yield unknown(subject, str(error))
        except (Refused, DBAPIError) as error:
            fix = f"start the database, or correct {service.upper()}_DATABASE_URL."
            yield wrong(subject, words_of(error), fix)


def _database(config: Config, service: str, subject: str) -> Iterator[Finding]:
    verdict = compare(config, service)
    if verdict.faults:
        fix = f"run `soukctl db migrate {service}`; what it leaves, somebody changed by hand."
        yield wrong(subject, "; ".join(verdict.faults), fix)
        return
    with database_of(config, service) as database:
        faults = [*_settings_of(database), *_time_of(database), *_outbox_of(database, service)]
    for said, fix in faults:
        yield wrong(subject, said, fix)
    if not faults:
        yield well(subject, "is up to date, as the code wants it, safe and on time")


Faults = Iterator[tuple[str, str]]


def _settings_of(database: Database) -> Faults:
    yield from unsafe(database.read(_variables))


def unsafe(found: Mapping[str, str]) -> Faults:
    """What a server's settings would break, and how to set them."""
    has_log = found["log_bin"] == "ON"
    isolation = found.get("transaction_isolation") or found.get("tx_isolation")
    if found["innodb_flush_log_at_trx_commit"] != "1":
        yield (
            "a power cut may take back what was committed",
            "set innodb_flush_log_at_trx_commit = 1 in the server.",
        )
    if has_log and found["sync_binlog"] != "1":
        yield "replicas may miss what was committed", "set sync_binlog = 1 in the server."
    if has_log and found.get("binlog_format", "ROW") == "STATEMENT":
        yield "READ COMMITTED does not go with it", "set binlog_format = ROW in the server."
    if "STRICT_" not in found["sql_mode"]:
        yield (
            "what does not fit is cut off silently",
            "add STRICT_TRANS_TABLES to sql_mode in the server.",
        )
    if int(found["max_allowed_packet"]) < SMALLEST_PACKET:
        yield "pictures may not fit", "set max_allowed_packet = 16M or more in the server."
    if found["character_set_database"] != "utf8mb4":
        yield (
            f"its character set is {found['character_set_database']}",
            "make the schema with CHARACTER SET utf8mb4.",
        )
    if isolation != "READ-COMMITTED":
        yield f"our sessions get {isolation}", "let no proxy change their isolation level."


def _time_of(database: Database) -> Faults:
    there = database.read(_now)
    apart = abs((there - utcnow()).total_seconds())
    if apart > MOST_SKEW_SECONDS:
        yield f"its clock is {apart:.1f} s apart from here", "run NTP on both machines."


def _outbox_of(database: Database, service: str) -> Faults:
    if outbox_messages.name not in tables_of(service).tables:
        return
    depth, oldest = database.read(backlog)
    if oldest > MOST_OUTBOX_SECONDS:
        yield (
            f"{depth:,} events wait for the broker, the oldest for {oldest:.0f} s",
            f"start `python -m {service} worker`, or see below what is wrong with the broker.",
        )


def _variables(session: Session) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in session.execute(VARIABLES)}


def _now(session: Session) -> datetime:
    return session.execute(select(database_clock())).scalar_one()
