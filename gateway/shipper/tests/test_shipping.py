# SPDX-License-Identifier: Apache-2.0
import json
import os
import threading
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from common.amqp import BrokerUnavailable, QueuesMissing
from common.logs import configure_logs
from common.testing import eventually
from shipper import offsets
from shipper.shipping import NotTaken, Shipper
from shipper.tail import Position

VIEWER = {"address": "192.0.2.7", "agent": "Mozilla/5.0"}


def views_in(message):
    return json.loads(message.body)["data"]["views"]


class Broker:
    """A broker that can be away, full, or die between taking a batch and saying so."""

    def __init__(self):
        self.taken = []
        self.sizes = []
        self.away = False
        self.has_no_queue = False
        self.refuses = False
        self.loses_confirm = False
        self.tries = 0

    def connect(self):
        if self.away:
            raise BrokerUnavailable("away")
        if self.has_no_queue:
            raise QueuesMissing("analytics.products_viewed")

    def publish(self, messages, exchange):
        self.tries += 1
        self.connect()
        assert exchange == "souk.events"
        if self.refuses:
            return {messages[-1].id}
        self.sizes += [len(views_in(message)) for message in messages]
        self.taken += [view["request_id"] for message in messages for view in views_in(message)]
        if self.loses_confirm:
            raise BrokerUnavailable("no confirm")
        return set()

    def wait(self, seconds):
        assert seconds <= 1
        self.connect()

    def close(self):
        pass


@pytest.fixture
def broker():
    return Broker()


@pytest.fixture
def log(tmp_path):
    return tmp_path / "views.log"


@pytest.fixture
def offset(tmp_path):
    return tmp_path / "state" / "offset.json"


def shipper_of(log, offset, broker):
    return Shipper(log, offset, broker, key=b"a key")


def look(log, count=1, *, path="/product/7"):
    """Write *count* views; their request ids."""
    ids = [uuid4().hex for _ in range(count)]
    view = {"time": 1795226400.5, "product_id": 7, "user": "", "status": 200, "path": path}
    with log.open("a") as stream:
        for one in ids:
            record = {"id": one} | view | VIEWER
            stream.write(json.dumps(record, separators=(",", ":")) + "\n")
    return ids


def test_views_are_shipped_and_the_place_is_kept(log, offset, broker):
    first = look(log, 3)
    assert shipper_of(log, offset, broker).ship_batch() == 3
    second = look(log, 2)
    restarted = shipper_of(log, offset, broker)
    assert (restarted.ship_batch(), restarted.ship_batch()) == (2, 0)
    assert broker.taken == first + second


def test_what_is_read_at_once_is_told_in_few_messages(log, offset, broker):
    views = look(log, 250)
    with log.open("a") as stream:
        stream.write("nonsense\n")
    shipper = shipper_of(log, offset, broker)
    shipper.ship_batch()
    views += look(log)
    shipper.ship_batch()
    assert broker.sizes == [100, 100, 50, 1]
    assert broker.taken == views


def test_messages_of_long_views_are_no_longer_than_others(log, offset, broker):
    views = look(log, 3) + look(log, 1, path="/" + "x" * 100_000) + look(log, 20, path="/" * 8000)
    assert shipper_of(log, offset, broker).ship_batch() == 24
    assert broker.sizes == [3, 1, 8, 8, 4]
    assert broker.taken == views


def test_views_that_are_counted_are_views(log, offset, broker):
    def published():
        labels = {"event": "ProductsViewed"}
        return REGISTRY.get_sample_value("souk_events_published_total", labels) or 0

    before = published()
    look(log, 150)
    log.write_text(log.read_text() + "nonsense\n")
    shipper_of(log, offset, broker).ship_batch()
    assert published() == before + 150


@pytest.mark.parametrize("fault", ["away", "refuses", "loses_confirm"])
def test_place_is_kept_only_after_the_confirm(log, offset, broker, fault):
    views = look(log, 3)
    setattr(broker, fault, True)
    shipper = shipper_of(log, offset, broker)
    for _ in range(3):
        with pytest.raises((BrokerUnavailable, NotTaken)):
            shipper.ship_batch()
        assert offsets.load(offset) == Position()
    setattr(broker, fault, False)
    assert shipper.ship_batch() == 3
    assert set(broker.taken) == set(views)


def test_lines_that_are_no_views_are_skipped(log, offset, broker):
    first = look(log)
    with log.open("a") as stream:
        stream.write("nonsense\n\n")
    second = look(log)
    shipper = shipper_of(log, offset, broker)
    assert shipper.ship_batch() == 4
    assert broker.taken == first + second
    with log.open("a") as stream:
        stream.write("nothing else\n")
    assert (shipper.ship_batch(), shipper.ship_batch()) == (1, 0)
    assert broker.tries == 1


def test_what_is_skipped_is_told_without_its_viewer(log, offset, broker, capsys):
    configure_logs("shipper")
    [broken] = look(log)
    log.write_text(log.read_text().replace('"time":', '"moment":') + VIEWER["agent"] + "\n")
    before = REGISTRY.get_sample_value("souk_view_lines_skipped_total")
    assert shipper_of(log, offset, broker).ship_batch() == 2
    told = capsys.readouterr().out
    assert broken in told
    assert not [piece for piece in VIEWER.values() if piece in told + offset.read_text()]
    assert REGISTRY.get_sample_value("souk_view_lines_skipped_total") == before + 2


def test_running_shipper_waits_for_the_broker_and_then_ships_all(log, offset, broker):
    broker.away = True
    stop = threading.Event()
    thread = threading.Thread(target=shipper_of(log, offset, broker).run, args=(stop,))
    thread.start()
    views = look(log, 5)
    eventually(lambda: broker.tries >= 2)
    assert broker.taken == []
    assert REGISTRY.get_sample_value("souk_view_log_behind_bytes") == log.stat().st_size
    broker.away = False
    eventually(lambda: broker.taken == views)
    views += look(log, 2)
    eventually(lambda: broker.taken == views)
    eventually(lambda: REGISTRY.get_sample_value("souk_view_log_behind_bytes") == 0)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


def test_a_shipper_that_is_told_to_stop_ships_what_is_there(log, offset, broker):
    views = look(log, 2500)
    told = threading.Event()
    told.set()

    shipper_of(log, offset, broker).run(told)

    assert broker.taken == views


@pytest.mark.parametrize("fault", ["away", "has_no_queue", "refuses"])
def test_a_shipper_that_is_told_to_stop_does_not_wait_for_the_broker(log, offset, broker, fault):
    look(log, 5)
    setattr(broker, fault, True)
    told = threading.Event()
    told.set()

    shipper_of(log, offset, broker).run(told)

    assert broker.tries == 1
    assert broker.taken == []


def test_offset_file_is_whole_at_every_moment(offset, monkeypatch):
    offsets.keep(offset, kept := Position(beginning=b'{"id":"1', offset=10))

    def dies(_descriptor):
        raise OSError

    monkeypatch.setattr(os, "fsync", dies)
    with pytest.raises(OSError):
        offsets.keep(offset, Position(beginning=b"{", offset=99))
    assert offsets.load(offset) == kept


@pytest.mark.parametrize("content", [b"", b"{", b"7", b"{}", b'{"beginning": "xy", "offset": 1}'])
def test_offset_file_that_makes_no_sense_is_as_good_as_none(offset, content):
    offset.parent.mkdir()
    offset.write_bytes(content)
    assert offsets.load(offset) == Position()
