# SPDX-License-Identifier: Apache-2.0
"""Sending: claim in a short transaction, send in none, write down what came of it in another.

A crash after the backend took the mail and before we wrote that down repeats this one mail when its
lease ends; a crash at any other moment repeats nothing. Proved by
tests/integration/test_worker_killed.py.
"""

import time
from collections.abc import Sequence

from prometheus_client import Counter, Gauge

from common.clock import utcnow
from common.context import Trace, traced
from common.db import Database
from common.logs import get_logger
from common.problems import Unavailable
from notifier.commands.claims import ClaimedMail, claim_mails
from notifier.commands.deliveries import postpone_mail, return_mails, settle_mail
from notifier.config import Config
from notifier.letters import compose
from notifier.mail import Backend, MailRefused, MailUnavailable
from notifier.pace import Pace
from notifier.queries import Letter, RecipientUnknown, backlog, current_time, letter

log = get_logger(__name__)

MAILS = Counter(
    "souk_mails_total", "Mails by outcome: sent, cancelled, retried, failed", ["outcome"]
)
DUE = Gauge("souk_deliveries_due", "Deliveries that should have gone out by now")
OLDEST_DUE = Gauge("souk_deliveries_oldest_due_seconds", "How late the oldest of them is")

MOST_AT_ONCE = 50


class Sender:
    """Sends what is due. Several may run, in one process or many."""

    def __init__(self, database: Database, backend: Backend, config: Config) -> None:
        self._database = database
        self._backend = backend
        self._config = config
        self._pace = Pace(config.mail_per_second)

    def send_due(self) -> int:
        """One round; returns how many mails went out.

        Raises:
            Unavailable: The database is away, or the backend: then what was not tried is put back.
        """
        allowance = min(MOST_AT_ONCE, self._pace.allowance())
        if not allowance:
            return 0
        began = time.monotonic()
        mails = self._database.run(
            claim_mails,
            now=self._database.read(current_time),
            most=allowance,
            burst=self._config.mail_burst,
            lease_seconds=self._config.mail_lease_seconds,
        )
        for position, mail in enumerate(mails):
            # With the lease half used the next mail might still be on its way when another worker
            # takes it over, so it goes back instead.
            if time.monotonic() - began > self._config.mail_lease_seconds / 2:
                self._return(mails[position:])
                return position
            try:
                self._send(mail)
            except MailUnavailable as error:
                self._return(mails[position + 1 :])
                raise Unavailable(f"The mail backend is not available: {error}") from error
        return len(mails)

    def measure(self) -> None:
        """Tell the metrics how far behind we are."""
        due, oldest = self._database.read(backlog)
        DUE.set(due)
        OLDEST_DUE.set(oldest)

    def _send(self, mail: ClaimedMail) -> None:
        try:
            found = self._database.glance(letter, mail_id=mail.id)
            if found.address is not None:
                self._hand_over(found)
        except Unavailable:
            # The database is away, and with it the way to say so: the lease's end gives it back.
            raise
        except MailUnavailable as error:
            self._postpone(mail, error)
            raise
        except (MailRefused, RecipientUnknown) as error:
            self._postpone(mail, error)
            return
        except Exception as error:  # noqa: BLE001 - one bad mail must not stop the others
            self._postpone(mail, error)
            return
        self._settle(found)

    def _hand_over(self, found: Letter) -> None:
        message = compose(
            found, source=self._config.email_source, currency=self._config.currency, now=utcnow()
        )
        self._pace.spend()
        self._backend.send(found.mail_id, message)

    def _settle(self, found: Letter) -> None:
        self._database.run(
            settle_mail,
            mail_id=found.mail_id,
            address=found.address,
            sent=found.delivery_ids,
            unwanted=found.unwanted_ids,
        )
        outcome = "cancelled" if found.address is None else "sent"
        MAILS.labels(outcome).inc()
        for parts in found.notices:
            for envelope, _ in parts:
                with traced(Trace(correlation_id=envelope.correlationid)):
                    log.info("mail_sent", mail_id=str(found.mail_id), event_id=str(envelope.id))

    def _postpone(self, mail: ClaimedMail, error: Exception) -> None:
        again = self._database.run(
            postpone_mail,
            mail_id=mail.id,
            attempt=mail.attempt,
            now=self._database.read(current_time),
        )
        MAILS.labels("retried" if again else "failed").inc()
        known = isinstance(error, MailRefused | MailUnavailable)
        log.warning(
            "mail_not_sent",
            mail_id=str(mail.id),
            user_id=mail.user_id,
            attempt=mail.attempt,
            goes_on=again,
            # Other errors' texts may hold what the mail holds.
            reason=str(error) if known else type(error).__name__,
        )

    def _return(self, mails: Sequence[ClaimedMail]) -> None:
        self._database.run(
            return_mails,
            mail_ids=[mail.id for mail in mails],
            now=self._database.read(current_time),
        )
