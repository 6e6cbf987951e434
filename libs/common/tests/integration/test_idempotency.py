# SPDX-License-Identifier: Apache-2.0
from threading import Barrier, Thread

import pytest
from sqlalchemy import event, func, insert, select, text

from common import idempotency
from common.db import Database, database_clock, new_metadata
from common.idempotency import (
    Answer,
    Claim,
    IdempotencyKeyReused,
    Key,
    declare_idempotency,
    forget_keys,
    idempotency_keys,
)
from common.identifiers import uuid7

ONE, OTHER = b"1" * 32, b"2" * 32
KEY = Key(owner_id=7, word="key")
YES = Answer(status=201, body=b'{"id":1}')


@pytest.fixture(scope="module")
def schema(new_schema):
    database = Database(new_schema("idempotency"), pool_size=20)
    metadata = new_metadata()
    declare_idempotency(metadata)
    metadata.create_all(database.engine)
    yield database
    database.dispose()


@pytest.fixture
def database(schema, clean):
    clean(schema)
    return schema


@pytest.fixture
def claim(database):
    def run(key=KEY, fingerprint=ONE, reference=None):
        claim = Claim(key=key, fingerprint=fingerprint, reference=reference or uuid7())
        [known] = database.run(idempotency.claim_all, [claim])
        return known

    return run


def test_a_new_key_is_taken_in_one_statement(database, claim):
    statements = []
    record = lambda _c, _cursor, statement, *_: statements.append(statement)  # noqa: E731
    event.listen(database.engine, "before_cursor_execute", record)
    try:
        assert claim() is None
    finally:
        event.remove(database.engine, "before_cursor_execute", record)

    assert len(statements) == 1


def test_a_key_in_flight_names_its_reference_and_no_answer(claim):
    reference = uuid7()
    claim(reference=reference)

    known = claim()

    assert (known.reference, known.answer) == (reference, None)


def test_a_finished_key_has_its_answer_to_the_byte(database, claim):
    claim()
    database.run(idempotency.finish_all, {KEY: YES})

    assert claim().answer == YES
    assert database.read(idempotency.find, KEY).answer == YES


def test_another_request_under_the_same_key_is_refused(database, claim):
    claim()

    known = claim(fingerprint=OTHER)

    with pytest.raises(IdempotencyKeyReused):
        known.must_match(OTHER)

    assert database.read(idempotency.find, KEY).fingerprint == ONE


def test_many_claims_are_one_statement_and_each_gets_its_own_answer(database, claim):
    claim(Key(owner_id=3, word="c"), OTHER)
    database.run(idempotency.finish_all, {Key(owner_id=3, word="c"): YES})
    keys = [Key(owner_id=owner, word=word) for owner in (9, 3, 5) for word in "bca"]
    claims = [Claim(key=key, fingerprint=ONE, reference=uuid7()) for key in [*keys, keys[0]]]

    known = database.run(idempotency.claim_all, claims)

    assert [found is None for found in known] == [True] * 4 + [False] + [True] * 4 + [False]
    assert known[4].answer == YES
    # The same key twice is the first one's.
    assert known[9].reference == claims[0].reference

    bodies = {key: Answer(status=201, body=repr(key).encode()) for key in keys[5:]}
    database.run(idempotency.finish_all, bodies)
    found = database.read(idempotency.find_all, keys)
    assert {key: found[key].answer for key in keys[5:]} == bodies
    assert [found[key].answer for key in keys[:4]] == [None] * 4

    database.run(idempotency.free_all, keys[:2])
    assert database.read(idempotency.find_all, keys).keys() == {*keys[2:]}


@pytest.mark.parametrize("other", [Key(owner_id=8, word="key"), Key(owner_id=7, word="KEY")])
def test_another_owner_or_another_letter_is_another_key(claim, other):
    claim()

    assert claim(other, OTHER) is None


def test_a_freed_key_starts_anew(database, claim):
    claim()
    database.run(idempotency.free_all, [KEY])

    assert database.read(idempotency.find, KEY) is None
    assert claim(fingerprint=OTHER) is None


def test_a_claim_whose_transaction_fails_was_never_made(database):
    def fail(session):
        idempotency.claim_all(session, [Claim(key=KEY, fingerprint=ONE, reference=uuid7())])
        raise LookupError

    with pytest.raises(LookupError):
        database.run(fail)

    assert database.read(idempotency.find, KEY) is None


def test_of_many_claims_at_once_one_is_made(claim):
    barrier, found = Barrier(12), []

    def run(reference):
        barrier.wait()
        found.append((reference, claim(reference=reference)))

    threads = [Thread(target=run, args=(uuid7(),)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    [winner] = [reference for reference, known in found if known is None]
    assert {known.reference for _, known in found if known is not None} == {winner}


def test_old_keys_are_forgotten_in_steps_and_young_ones_kept(database, monkeypatch):
    monkeypatch.setattr(idempotency, "MOST_ROWS", 4)
    ages = {f"key-{number}": 8 if number < 10 else 6 for number in range(15)}

    def fill(session):
        for word, days in ages.items():
            at = func.timestampadd(text("DAY"), -days, database_clock())
            row = {"owner_id": 1, "key": word, "fingerprint": ONE, "reference": uuid7()}
            session.execute(insert(idempotency_keys).values(**row, claimed_at=at))

    database.run(fill)

    assert forget_keys(database, keep_days=7) == 10
    left = database.read(lambda session: session.scalars(select(idempotency_keys.c.key)).all())
    assert sorted(left) == [f"key-{number}" for number in range(10, 15)]
