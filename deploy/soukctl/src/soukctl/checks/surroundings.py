# SPDX-License-Identifier: Apache-2.0
"""Redis, mails and the disk."""

import os
import shutil
from collections.abc import Iterator

from redis import RedisError

from common.access import connect_redis
from notifier.queries import backlog
from soukctl.checks.finding import Finding, unknown, well, wrong
from soukctl.config import Config
from soukctl.databases import database_of

LEAST_FREE_BYTES = 1024**3
MOST_LATE_SECONDS = 300.0


def redis(config: Config) -> Iterator[Finding]:
    """Whether it answers; without it the shop works, but asks auth about every write."""
    client = connect_redis(*config.need("redis_url"))
    try:
        client.ping()
    except (RedisError, ValueError) as error:
        fix = "start Redis, or correct REDIS_URL; until then every write asks auth's database."
        yield wrong("redis", f"does not answer: {error}", fix)
        return
    finally:
        client.close()
    yield well("redis", "answers")


def mail(config: Config) -> Iterator[Finding]:
    """Whether mails go out, and have a place to go to as far as that can be seen from here."""
    with database_of(config, "notifier") as database:
        late, oldest = database.read(backlog)
    if oldest > MOST_LATE_SECONDS:
        fix = "start `python -m notifier worker`; its log says what keeps it."
        yield wrong("mail", f"{late:,} mails are late, the oldest by {oldest:.0f} s", fix)
    if config.mail_backend == "ses":
        yield unknown("mail", "goes to SES, which only notifier can ask; its worker logs refusals.")
        return
    [directory] = config.need("mail_dir")
    if os.access(directory, os.W_OK | os.X_OK):
        yield well("mail", f"is written into {directory}")
    else:
        fix = "make the directory that MAIL_DIR names, writable for notifier's worker."
        yield wrong("mail", f"{directory} can't be written", fix)


def disk(config: Config) -> Iterator[Finding]:
    """Whether a local stack has room to grow; of others' disks nobody here knows."""
    if config.run_directory is None:
        return
    directory = config.run_directory
    try:
        usage = shutil.disk_usage(directory)
    except OSError as error:
        yield wrong("disk", str(error), "correct RUN_DIRECTORY, or run `make up`.")
        return
    said = f"{usage.free / 1024**3:.1f} GiB free below {directory}"
    if usage.free < LEAST_FREE_BYTES:
        yield wrong("disk", said, "make room: the broker stops taking events when it is full.")
    else:
        yield well("disk", said)
