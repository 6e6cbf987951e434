# SPDX-License-Identifier: Apache-2.0
"""The restore drill: a backup of a shop that sells, then its data are gone, then it sells again."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from threading import Event

import pytest
from click.testing import CliRunner
from redis import Redis

from common.amqp.connection import connect
from common.testing import eventually
from souk_local.programs import WEBS, WORKERS
from soukctl.__main__ import main
from soukctl.checks.broker import TOPOLOGIES
from soukctl.config import SERVICES
from soukctl.gateway import GatewayClient
from support.databases import schema_of

BUYERS = 3


@pytest.fixture
def soukctl(stack):
    def run(*arguments):
        file = str(stack.directory / "operator.env")
        return CliRunner().invoke(main, ["--env-file", file, *arguments])

    return run


def lose_everything(stack):
    """New, empty schemas, a broker without queues and an empty Redis."""
    for service in SERVICES:
        with schema_of(stack, service) as cursor:
            cursor.execute(f"DROP DATABASE `{service}`")
            cursor.execute(f"CREATE DATABASE `{service}` CHARACTER SET utf8mb4")
    with closing(connect(stack.environments.rabbitmq.url("operator"), "drill")) as connection:
        channel = connection.channel()
        for topology in TOPOLOGIES:
            for queue in topology.queues():
                channel.queue_delete(queue.name)
    with Redis.from_url(stack.environments.redis.url) as redis:
        redis.flushdb()


@contextmanager
def buying(buyers, product):
    """They buy for as long as the block lasts; hands over what they were promised."""
    over, promised = Event(), []

    def buy(buyer):
        while not over.is_set():
            answer = buyer.order({"items": [{"product": product["id"], "quantity": 1}]})
            assert answer.status_code in {201, 503}, answer.text
            if answer.status_code == 201:
                promised.append(answer.json()["id"])

    with ThreadPoolExecutor(len(buyers)) as pool:
        done = [pool.submit(buy, buyer) for buyer in buyers]
        try:
            yield promised
        finally:
            over.set()
    for one in done:
        one.result()


def test_a_shop_that_was_backed_up_while_it_sold_sells_on_after_its_data_are_lost(
    soukctl, stack, shop, tmp_path
):
    admin, ada = shop.admin(), shop.sign_up()
    lamp = shop.product(admin, "Saved lamp", quantity=1_000_000)
    kept = ada.order({"items": [{"product": lamp["id"], "quantity": 2}]}).json()
    buyers = [shop.sign_up("buyer") for _ in range(BUYERS)]
    archive = str(tmp_path / "shop.tar")

    with buying(buyers, lamp) as promised:
        eventually(lambda: promised)
        made = soukctl("backup", archive, "--settle", "1", "--json")
        at_its_end = len(promised)
        eventually(lambda: len(promised) > at_its_end)
    stack.supervisor.end(*WEBS, *WORKERS)
    lose_everything(stack)
    restored = soukctl("restore", archive, "--json")
    stack.supervisor.begin(*WEBS, *WORKERS)

    assert made.exit_code == 0, made.output
    assert restored.exit_code == 0, restored.output
    eventually(GatewayClient(shop.url).is_ready, seconds=180)
    again = shop.log_in(ada.username)
    assert again.get(f"/v1/orders/{kept['id']}").json()["total"] == kept["total"]
    lines = soukctl("orders", "export", "--json").stdout.splitlines()
    there = {json.loads(line)["id"] for line in lines}
    assert promised[0] in there
    assert promised[-1] not in there  # the backup was taken in the middle
    assert again.order({"items": [{"product": lamp["id"], "quantity": 1}]}).status_code == 201
    eventually(lambda: soukctl("audit").exit_code == 0, seconds=120)
