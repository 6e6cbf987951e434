# SPDX-License-Identifier: Apache-2.0
"""Products in and out: each row once whatever happens, and what is wrong is named with its row."""

import csv
import json
import signal
import subprocess
import sys

import pytest
from sqlalchemy import func, select, update

from auth.models import User
from catalog.audit import INVARIANTS
from catalog.models import LedgerEntry, Product
from common.audit import examine
from common.outbox import outbox_messages
from common.testing import eventually

COLUMNS = ["sku", "name", "price", "quantity", "description"]


@pytest.fixture
def write(tmp_path):
    def write(rows, name="products.csv"):
        path = tmp_path / name
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([COLUMNS, *rows])
        return path

    return write


def lamps(count):
    return [[f"L-{n}", f"Lamp {n}", f"{n}.50", n % 3, ""] for n in range(count)]


def count(database, column):
    return database.read(lambda session: session.scalar(select(func.count(column))))


def test_products_come_in_the_admin_s_name_and_every_rule_holds(soukctl, write, catalog):
    outcome = soukctl("products", "import", str(write(lamps(30))), "--json")

    assert outcome.exit_code == 0, outcome.stderr
    assert json.loads(outcome.stdout) == {
        "rows": 30,
        "imported": 30,
        "already_there": 0,
        "faulty": 0,
        "dry_run": False,
        "faults": [],
    }
    found = catalog.read(lambda s: s.scalars(select(Product).where(Product.sku == "L-7")).one())
    assert (found.name, found.price_minor, found.seller_name) == ("Lamp 7", 750, "root")
    actors = catalog.read(lambda s: set(s.scalars(select(LedgerEntry.actor))))
    assert actors == {f"user/{found.seller_id}"}
    assert [one.name for one in examine(catalog, INVARIANTS) if one.violations] == []


def test_who_is_no_admin_any_more_imports_nothing(soukctl, write, auth, catalog):
    auth.run(lambda session: session.execute(update(User).values(role="user")))

    outcome = soukctl("products", "import", str(write(lamps(3))))

    assert outcome.exit_code == 1
    assert "root is no admin" in outcome.stderr
    assert count(catalog, Product.id) == 0


def test_a_dry_run_says_what_would_happen_and_changes_nothing(soukctl, write, catalog):
    soukctl("products", "import", str(write(lamps(3))))

    outcome = soukctl("products", "import", str(write([*lamps(5), ["x y"]])), "--dry-run")

    assert outcome.exit_code == 1
    assert "6 rows: 2 would be imported, 3 already there, 1 faulty." in outcome.stdout
    assert count(catalog, Product.id) == 3


def test_good_rows_go_in_and_faulty_ones_are_reported_until_they_are_corrected(
    soukctl, write, catalog, tmp_path
):
    rows = [*lamps(2), ["L-2", "", "-1", "many", ""], ["L-1", "Again", "1", "1", ""]]

    outcome = soukctl("products", "import", str(write(rows)))

    assert outcome.exit_code == 1
    assert "4 rows: 2 imported, 0 already there, 2 faulty." in outcome.stdout
    report = tmp_path / "products.csv.faults.csv"
    faults = list(csv.DictReader(report.read_text().splitlines()))
    assert {(one["row"], one["field"]) for one in faults} == {
        *(("4", "name"), ("4", "price"), ("4", "quantity")),
        ("5", "sku"),
    }
    outcome = soukctl("products", "import", str(write(lamps(3))))
    assert (outcome.exit_code, count(catalog, Product.id)) == (0, 3)
    assert report.read_text().split() == ["row,sku,field,fault"]


def test_an_interrupted_import_is_begun_again_and_each_product_is_there_once(
    env_file, soukctl, write, catalog
):
    path = write(lamps(2000))
    command = [sys.executable, "-m", "soukctl", "--env-file", str(env_file), "products", "import"]
    with subprocess.Popen(
        [*command, str(path)],
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores Ctrl-C, and so would we below one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as running:
        eventually(lambda: count(catalog, Product.id), seconds=60)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=30)
    before = count(catalog, Product.id)

    outcome = soukctl("products", "import", str(path), "--json")

    assert running.returncode == 1
    assert "The same command again does the rest." in said
    assert 0 < before < 2000
    assert before % 500 == 0
    assert json.loads(outcome.stdout)["already_there"] == before
    assert count(catalog, Product.id) == 2000
    assert count(catalog, LedgerEntry.id) == sum(1 for n in range(2000) if n % 3)
    assert count(catalog, outbox_messages.c.seq) == 2000 + count(catalog, LedgerEntry.id)


def test_what_was_exported_can_be_imported_into_an_empty_shop(
    soukctl, write, catalog, clean, tmp_path
):
    text = '\'-x\nTwo lines, with a "quote"'
    guarded = ["F-1", "'=1+1", "1.00", 3, f"'{text}"]
    soukctl("products", "import", str(write([guarded, *lamps(250)])))
    for name, options in {"all.csv": [], "all.ndjson": ["--json"]}.items():
        exported = tmp_path / name
        assert soukctl("products", "export", "-o", str(exported), *options).exit_code == 0
        clean(catalog)
        assert soukctl("products", "import", str(exported)).exit_code == 0

    listed = select(Product.sku, Product.name, Product.price_minor, Product.description)
    found = catalog.read(lambda session: session.execute(listed.order_by(Product.id)).all())
    assert tuple(found[0]) == ("F-1", "=1+1", 100, text)
    assert [tuple(row) for row in found[1:]] == [
        (f"L-{n}", f"Lamp {n}", 100 * n + 50, None) for n in range(250)
    ]
    assert "'=1+1" in (tmp_path / "all.csv").read_text()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"sku,colour\n", "Unknown columns: colour"),
        (b"sku,name,price\nL,\xff,1\n", "is not UTF-8"),
    ],
)
def test_a_file_that_is_none_is_refused_in_one_sentence(soukctl, tmp_path, content, said, catalog):
    path = tmp_path / "wrong.csv"
    path.write_bytes(content)

    outcome = soukctl("products", "import", str(path))

    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert said in outcome.stderr
    assert count(catalog, Product.id) == 0
