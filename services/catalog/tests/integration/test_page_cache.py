# SPDX-License-Identifier: Apache-2.0
"""Pages that many ask for: who reads them, how old they may be, and what Redis can do about it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Lock

import pytest
from redis import Redis

from catalog import page_cache
from catalog.page_cache import MOST_KEPT, READER, Page, PageCache
from common.testing.counting import counting

CROWD = 16


@pytest.fixture(autouse=True)
def life(monkeypatch):
    """Pages stay in Redis however long the machine stalls: the tests have a clock of their own."""
    monkeypatch.setattr(page_cache, "LIFE_SECONDS", 60)


class Clock:
    """The second that all processes of a test have."""

    def __init__(self, redis):
        # A second that no other test has had: their pages lie in the same Redis.
        self.now = float(redis.incrby("page_cache_tests", 1000))

    def __call__(self):
        return self.now


@pytest.fixture
def redis(redis_url):
    with Redis.from_url(redis_url) as redis:
        yield redis


@pytest.fixture
def clock(redis):
    return Clock(redis)


@pytest.fixture
def shop(client, redis, clock):
    client.application.extensions["page_cache"] = PageCache(redis, clock=clock)
    client.environ_base["HTTP_ACCEPT"] = "application/json"
    return client


@pytest.fixture
def statements(database):
    database.glance(lambda _: None)  # whose connection is there then
    with counting(database) as asked:
        yield asked.statements


class Shelf:
    """A product page that counts how often it is read."""

    def __init__(self):
        self.reads = 0
        self._lock = Lock()

    def read(self):
        with self._lock:
            self.reads += 1
            return Page(7, f'"{self.reads}"', b"{}")


def process(redis, clock, shelf=None, patience=10.0):
    """The cache of one more web process, for which the page is hot if there is a *shelf*."""
    cache = PageCache(redis, clock=clock, patience=patience)
    if shelf:
        clock.now -= 1
        cache.page("lamp", shelf.read)
        clock.now += 1
        shelf.reads = 0
    return cache


def crowd(caches, read):
    """Ask *caches* for one page, all at once."""
    start = Barrier(CROWD)

    def ask(number):
        start.wait()
        return caches[number % len(caches)].page("lamp", read)

    with ThreadPoolExecutor(CROWD) as pool:
        return list(pool.map(ask, range(CROWD)))


@pytest.mark.parametrize("surface", ["/v1/products", "/product", "/api/products"])
def test_a_page_and_its_304_need_the_database_once_a_second(shop, sell, clock, statements, surface):
    lamp = sell("Lamp", quantity=2)
    path = f"{surface}/{lamp.public_id}"
    statements.clear()

    first = shop.get(path)
    assert len(statements) == 1
    again = shop.get(path)
    known = shop.get(path, headers={"If-None-Match": first.headers["ETag"]})
    changed = shop.get(path, headers={"If-None-Match": '"0.0"'})
    assert len(statements) == 1
    clock.now += 1
    shop.get(path)
    assert len(statements) == 2

    assert [a.status_code for a in (first, again, known, changed)] == [200, 200, 304, 200]
    assert first.data == again.data == changed.data != known.data == b""
    assert {a.headers["X-Product-Id"] for a in (first, again, known)} == {str(lamp.id)}


def test_surfaces_and_products_do_not_share_pages(shop, sell):
    lamp, cup = sell("Lamp"), sell("Cup")
    seen = [
        shop.get(f"{surface}/{product.id}").json["name"]
        for _ in range(2)
        for surface in ("/v1/products", "/product")
        for product in (lamp, cup)
    ]

    assert seen == ["Lamp", "Cup"] * 4
    assert "seller" in shop.get(f"/v1/products/{lamp.id}").json
    assert "user_id" in shop.get(f"/product/{lamp.id}").json


def test_a_change_is_seen_by_its_writer_at_once_and_by_all_in_the_next_second(
    shop, sell, clock, grace
):
    path = f"/v1/products/{sell('Lamp', price=1000, quantity=2).id}"
    shop.get(path)

    shop.patch(path, json={"price": "9.00"}, headers=grace)
    shop.post(f"{path}/stock", json={"delta": 1}, headers=grace)

    def seen(headers=None):
        page = shop.get(path, headers=headers).json
        return page["price"], page["available"]

    assert seen(grace) == seen({"Authorization": "Bearer unknown"}) == ("9.00", 3)
    # The control: the page is kept, for those who have not written.
    assert seen() == ("10.00", 2)
    clock.now += 1
    assert seen() == ("9.00", 3)
    shop.delete(path, headers=grace)
    assert shop.get(path, headers=grace).status_code == 404
    clock.now += 1
    assert shop.get(path).status_code == 404


def test_who_reads_slowly_makes_no_later_second_older(redis, clock):
    """The price changes after the reading and before the page is kept."""
    shelf = Shelf()
    processes = [process(redis, clock, shelf) for _ in range(2)]

    def slowly():
        page = shelf.read()
        clock.now += 1
        return page

    assert processes[0].page("lamp", slowly).etag == '"1"'
    assert '"1"' not in {each.page("lamp", shelf.read).etag for each in processes}


def test_a_hot_page_is_read_by_one_of_all_processes(redis, clock):
    shelf = Shelf()
    processes = [process(redis, clock, shelf) for _ in range(3)]

    pages = crowd(processes, shelf.read)

    assert shelf.reads == 1
    assert {page.etag for page in pages} == {'"1"'}


def test_any_other_page_is_read_by_one_thread_of_a_process(clock):
    shelf, cache = Shelf(), PageCache(Redis(port=1, retry=None), clock=clock, patience=10.0)

    crowd([cache], shelf.read)

    assert shelf.reads == 1


def test_the_crowd_waits_for_who_is_still_reading(redis, clock):
    shelf, begun, go_on = Shelf(), Event(), Event()
    one, other = (process(redis, clock, shelf) for _ in range(2))

    def slowly():
        begun.set()
        go_on.wait()
        return shelf.read()

    with ThreadPoolExecutor(2) as pool:
        reading = pool.submit(one.page, "lamp", slowly)
        begun.wait()
        waiting = pool.submit(other.page, "lamp", shelf.read)
        go_on.set()
        assert reading.result() == waiting.result()
    assert shelf.reads == 1


def test_without_redis_each_process_reads(clock):
    """The control of the tests above, and what happens when Redis is away."""
    all_read, shelf = Barrier(CROWD), Shelf()
    nobody = Redis(port=1, retry=None)
    processes = [process(nobody, clock, shelf) for _ in range(CROWD)]

    def with_the_others():
        all_read.wait(timeout=30)
        return shelf.read()

    crowd(processes, with_the_others)

    assert shelf.reads == CROWD


def test_nobody_waits_long_for_who_died_reading(redis, clock):
    shelf = Shelf()
    cache = process(redis, clock, shelf, patience=0.02)
    redis.set(f"page:{int(clock.now)}:lamp", READER)

    assert cache.page("lamp", shelf.read).etag == '"1"'


def test_no_thread_waits_long_for_one_that_hangs(redis, clock):
    shelf, cache, begun, go_on = Shelf(), process(redis, clock, patience=0.02), Event(), Event()

    def hanging():
        begun.set()
        go_on.wait()
        return shelf.read()

    with ThreadPoolExecutor(1) as pool:
        hangs = pool.submit(cache.page, "lamp", hanging)
        begun.wait()
        assert cache.page("lamp", shelf.read).etag == '"1"'
        go_on.set()
        assert hangs.result().etag == '"2"'


def test_who_could_not_read_lets_the_next_one_try(redis, clock):
    shelf = Shelf()
    one, other = (process(redis, clock, shelf) for _ in range(2))

    def in_vain():
        raise LookupError

    with pytest.raises(LookupError):
        one.page("lamp", in_vain)

    assert redis.get(f"page:{int(clock.now)}:lamp") is None
    assert other.page("lamp", shelf.read).etag == '"1"'


def test_emptied_between_any_two_steps_redis_makes_nothing_older(redis, clock):
    shelf = Shelf()
    processes = [process(redis, clock, shelf) for _ in range(2)]

    def and_empty_it():
        page = shelf.read()
        redis.delete(f"page:{int(clock.now)}:lamp")
        return page

    assert processes[0].page("lamp", and_empty_it).etag == '"1"'
    redis.delete(f"page:{int(clock.now)}:lamp")
    assert processes[1].page("lamp", shelf.read).etag == '"2"'
    clock.now += 1
    assert {each.page("lamp", shelf.read).etag for each in processes} == {'"3"'}


def test_what_is_kept_has_its_bounds(redis, clock):
    shelf = Shelf()
    cache = process(redis, clock)
    for _ in range(2):
        for number in range(MOST_KEPT + 1):
            cache.page(f"lamp {number}", shelf.read)
    assert shelf.reads == MOST_KEPT + 2

    hot = process(redis, clock, shelf)
    hot.page("lamp", shelf.read)
    assert 0 < redis.pttl(f"page:{int(clock.now)}:lamp") <= page_cache.LIFE_SECONDS * 1000
