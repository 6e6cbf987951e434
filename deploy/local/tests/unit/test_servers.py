# SPDX-License-Identifier: Apache-2.0
import base64
import hashlib
import json
import re

import pytest

from souk_local.servers import MariaDB, RabbitMQ
from souk_local.servers.rabbitmq import own_queues_and_exchanges, password_hash


@pytest.mark.parametrize("name", ["catalog.order_placed", "souk.events", "souk.dead"])
def test_a_user_may_use_its_own_queues_and_the_exchanges(name):
    assert re.fullmatch(own_queues_and_exchanges("catalog"), name)


@pytest.mark.parametrize("name", ["", "amq.default", "orders.x", "catalogx", "souk.x"])
def test_a_user_may_use_nothing_else(name):
    assert not re.search(own_queues_and_exchanges("catalog"), name)


def test_a_password_is_hashed_as_the_broker_wants_it():
    stored = base64.b64decode(password_hash("secret", b"salt"))
    assert stored == b"salt" + hashlib.sha256(b"saltsecret").digest()
    assert password_hash("secret") != password_hash("secret")


def test_the_definitions_hold_no_password(tmp_path):
    broker = RabbitMQ(
        directory=tmp_path,
        port=1,
        distribution_port=2,
        epmd_port=3,
        passwords={"catalog": "plain-password"},
    )
    broker.prepare()
    text = broker.definitions.read_text()
    assert "plain-password" not in text
    assert [user["name"] for user in json.loads(text)["users"]] == ["catalog"]


def test_the_binary_log_is_written_only_when_asked_for(tmp_path):
    def options(**chosen):
        return MariaDB(directory=tmp_path, port=1, root_password="x", **chosen).command()

    assert not [option for option in options() if option.startswith("--log-bin")]
    assert "--log-bin=binlog" in options(binary_log=True)
    for command in (options(), options(binary_log=True)):
        assert "--innodb-flush-log-at-trx-commit=1" in command
