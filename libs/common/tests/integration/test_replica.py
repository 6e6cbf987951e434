# SPDX-License-Identifier: Apache-2.0
"""Reads that may be a moment old come from a copy, and nothing else does; on real replication."""

from itertools import pairwise
from time import monotonic

import pytest
from apiflask import APIBlueprint
from flask import jsonify
from redis import Redis
from sqlalchemy import insert, select, text

from common.access import connect_redis, internal, public, requires
from common.app import create_service, database
from common.db import Database, new_metadata
from common.recent_writers import REMEMBERED_SECONDS, RecentWriters
from common.replica import BEAT, Replica, declare_heartbeats, heartbeats
from common.settings import ServiceSettings
from common.testing import TRIES, eventually
from souk_local.ports import free_ports
from support.replication import COPY, PRIMARY

METADATA = new_metadata()
declare_heartbeats(METADATA)
MOST_LAG = 2.0
ADA = "user/8"

blueprint = APIBlueprint("servers", __name__)


def which(session):
    return session.scalar(text("SELECT @@server_id"))


def glanced(glance):
    return glance.first_column("SELECT @@server_id", ())[0]


@blueprint.route("/public", methods=["GET", "POST"])
@public
def ask_publicly():
    return jsonify(database().read(which))


@blueprint.route("/mine", methods=["GET", "POST"])
@requires()
def ask_as_user():
    return jsonify(database().read(which))


@blueprint.route("/internal", methods=["GET", "POST"])
@internal
def ask_internally():
    return jsonify(database().read(which))


@blueprint.get("/command")
@public
def run_command():
    return jsonify(database().run(which))


@pytest.fixture(scope="module")
def urls(replication):
    primary_url, copy_url = replication.create_schema("common")
    made = Database(primary_url)
    METADATA.create_all(made.engine)
    made.dispose()
    replication.catch_up()
    return primary_url, copy_url


@pytest.fixture
def primary(urls):
    made = Database(urls[0])
    yield made
    made.dispose()


@pytest.fixture
def replica(urls, primary):
    made = Replica(urls[1], primary, most_lag=MOST_LAG)
    yield made
    made.dispose()


@pytest.fixture
def redis(redis_url):
    client = Redis.from_url(redis_url)
    yield client
    for key in client.scan_iter("written:*"):
        client.delete(key)
    client.close()


@pytest.fixture
def client_of(urls, redis, service_settings, token_factory, monkeypatch):
    """A web process of a service; each has its own memory, and no fault of a busy machine's."""
    monkeypatch.setattr("common.access.REDIS_SECONDS", 30.0)
    monkeypatch.setattr("common.replica.READ_SECONDS", 30.0)
    made = []

    def make(**options):
        config = service_settings(
            ServiceSettings,
            database_url=urls[0],
            database_replica_url=urls[1],
            replica_most_lag_seconds=5,
        )
        guard = token_factory.guard("things")
        app = create_service("things", config, [blueprint], guard=guard, **options)
        app.extensions["replica"]._most_lag = 600
        made.append(app)
        client = app.test_client()
        if not options:
            eventually(lambda: client.get("/public").json == COPY, what="the copy is near")
        return client

    yield make
    for app in made:
        app.extensions["database"].dispose()
        app.extensions["replica"].dispose()


@pytest.fixture
def client(client_of):
    return client_of()


@pytest.fixture
def ada(token_factory):
    return token_factory.bearer(8, "ada")


def grow_quiet(redis, actor=ADA):
    """As if *actor* had not written for twenty seconds."""
    redis.set(f"written:things:{actor}", 1, ex=REMEMBERED_SECONDS - 20)


def near(replica):
    eventually(lambda: replica.read(which) == COPY, what="the copy is near")


def far(replica):
    eventually(lambda: replica.read(which) == PRIMARY, what="the copy is left")


# ---- who may read there --------------------------------------------------------------------------


def test_nobody_reads_from_the_copy_and_commands_go_to_the_primary(client):
    assert client.get("/public").json == COPY
    assert client.post("/public").json == PRIMARY
    assert client.get("/command").json == PRIMARY


def test_who_has_not_written_for_a_while_reads_from_the_copy(client, redis, ada):
    grow_quiet(redis)

    assert client.get("/mine", headers=ada).json == COPY
    assert client.get("/public", headers=ada).json == COPY


def test_who_has_just_written_reads_from_the_primary_in_every_process(client_of, redis, ada):
    here, there = client_of(), client_of()
    grow_quiet(redis)

    assert here.post("/mine", headers=ada).json == PRIMARY

    for client in (here, there):
        assert client.get("/mine", headers=ada).json == PRIMARY
        assert client.get("/public", headers=ada).json == PRIMARY
        assert client.get("/public").json == COPY


def test_what_a_service_writes_in_somebodys_name_counts_as_theirs(
    client, redis, ada, token_factory
):
    grow_quiet(redis)
    orders = token_factory.service_bearer("orders") | {"X-Souk-Actor": ADA}

    assert client.get("/internal", headers=orders).json == PRIMARY
    assert client.get("/mine", headers=ada).json == COPY
    client.post("/internal", headers=orders)

    assert client.get("/mine", headers=ada).json == PRIMARY


def test_whom_redis_has_forgotten_counts_as_a_writer(client, redis, ada):
    grow_quiet(redis)
    client.post("/mine", headers=ada)
    redis.delete(f"written:things:{ADA}")

    assert client.get("/mine", headers=ada).json == PRIMARY
    assert client.get("/mine", headers=ada).json == PRIMARY
    assert redis.ttl(f"written:things:{ADA}") > REMEMBERED_SECONDS - 10


def test_a_reader_does_not_make_a_quiet_time_last_longer(client, redis, ada):
    redis.set(f"written:things:{ADA}", 1, ex=REMEMBERED_SECONDS - 9)

    assert client.get("/mine", headers=ada).json == PRIMARY
    assert redis.ttl(f"written:things:{ADA}") <= REMEMBERED_SECONDS - 9


def test_without_redis_everybody_with_a_token_reads_from_the_primary():
    away = connect_redis(f"redis://127.0.0.1:{free_ports(1)[0]}")
    writers = RecentWriters(away, "things", most_lag=MOST_LAG, strangers_write=False)

    writers.note(ADA)

    assert not writers.may_lag(ADA, writes=False)
    assert writers.may_lag(None, writes=False)


def test_a_token_that_nobody_can_check_is_not_a_strangers(client):
    broken = {"Authorization": "Bearer not.a.token"}

    assert client.get("/public", headers=broken).json == PRIMARY


def test_where_strangers_may_write_strangers_read_from_the_primary(client_of, redis, ada):
    client = client_of(strangers_write=True)
    grow_quiet(redis)

    eventually(lambda: client.get("/mine", headers=ada).json == COPY, what="the copy is near")
    assert client.get("/public").json == PRIMARY


def test_a_client_can_not_choose_the_copy(client, ada):
    said = {"X-Souk-Quiet": "1", "X-Auth-Writer": "0", "X-Souk-Actor": "user/9"}

    assert client.get("/mine", headers=ada | said).json == PRIMARY


def test_without_the_setting_there_is_no_copy_and_nobody_is_noted(
    urls, redis, service_settings, token_factory, ada
):
    config = service_settings(ServiceSettings, database_url=urls[0])
    app = create_service("things", config, [blueprint], guard=token_factory.guard("things"))

    answers = [app.test_client().get("/public").json, app.test_client().post("/mine", headers=ada)]

    assert (answers[0], answers[1].json) == (PRIMARY, PRIMARY)
    assert app.extensions["replica"] is app.extensions["recent_writers"] is None
    assert list(redis.scan_iter("written:*")) == []
    app.extensions["database"].dispose()


# ---- how near it is ------------------------------------------------------------------------------


def test_a_copy_that_falls_behind_is_left_within_the_bound_and_taken_again(replication, replica):
    near(replica)
    replication.fall_behind()
    over = monotonic() + MOST_LAG

    def read_after_the_bound():
        began, answer = monotonic(), replica.read(which)
        return answer if began > over else None

    try:
        assert eventually(read_after_the_bound) == PRIMARY
    finally:
        replication.catch_up()
    near(replica)


def test_within_the_bound_an_answer_may_be_old_but_never_the_writers(replication, urls, primary):
    replica = Replica(urls[1], primary, most_lag=60)  # longer than a slow machine needs
    near(replica)
    replication.fall_behind()
    at = heartbeats.c.at
    newest = primary.read(lambda session: session.scalar(select(at).where(heartbeats.c.id == 1)))
    primary.run(lambda session: session.execute(insert(heartbeats).values(id=7, at=newest)))
    planted = select(heartbeats.c.id).where(heartbeats.c.id == 7)

    try:
        assert replica.read(lambda session: session.scalar(planted)) is None
        assert primary.read(lambda session: session.scalar(planted)) == 7
    finally:
        primary.run(lambda session: session.execute(text("DELETE FROM heartbeats WHERE id = 7")))
        replication.catch_up()
        replica.dispose()


def test_a_copy_that_hangs_costs_nobody_an_answer(replication, replica):
    def seconds_of_twenty():
        near(replica)
        replication.hang()
        began = monotonic()
        try:
            assert [replica.read(which) for _ in range(20)] == [PRIMARY] * 20
            return monotonic() - began
        finally:
            replication.go_on()

    assert any(seconds_of_twenty() < 3 for _ in range(TRIES))
    near(replica)


def test_who_glances_is_answered_by_the_copy_while_it_is_there(replication, replica):
    near(replica)
    eventually(lambda: replica.glance(glanced) == COPY, what="the copy is near")
    replication.stop()

    try:
        assert [replica.glance(glanced) for _ in range(20)] == [PRIMARY] * 20
    finally:
        replication.start()
    near(replica)


def test_a_copy_that_is_gone_costs_nobody_an_answer(replication, replica):
    near(replica)
    replication.stop()

    try:
        assert [replica.read(which) for _ in range(20)] == [PRIMARY] * 20
    finally:
        replication.start()
    near(replica)


def test_a_copy_without_what_a_migration_has_made_costs_nobody_an_answer(
    replication, replica, primary
):
    near(replica)
    replication.fall_behind()
    with primary.engine.begin() as connection:
        connection.execute(text("CREATE TABLE newer (id INT PRIMARY KEY)"))

    try:
        assert replica.read(lambda session: session.scalar(text("SELECT COUNT(*) FROM newer"))) == 0
    finally:
        replication.catch_up()


def test_who_looks_how_far_it_is_writes_at_most_once_a_second(replica, primary):
    near(replica)
    beat = select(heartbeats.c.at).where(heartbeats.c.id == 1)

    seen = set()

    def some_are_seen():
        replica.read(which)
        seen.add(primary.read(lambda session: session.scalar(beat)))
        return len(seen) >= 3

    eventually(some_are_seen, what="three beats")
    assert all(later - earlier >= BEAT for earlier, later in pairwise(sorted(seen)))


def test_this_suites_own_database_can_tell_how_near_it_is(new_schema):
    """The statements work on the other kind of server, too: here one is its own copy."""
    url = new_schema("common")
    primary = Database(url)
    METADATA.create_all(primary.engine)
    replica = Replica(url, primary, most_lag=MOST_LAG)

    replica.read(which)

    assert replica._near_until > monotonic()
    replica.dispose()
    primary.dispose()
