# SPDX-License-Identifier: Apache-2.0
"""What was backed up comes back, whole or not at all, and only where nothing is."""

import json
import tarfile
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.orm import Session

from analytics.days import partitions
from common.migrations import migrate_to_head, revision_of
from common.roles import migrations_of
from soukctl.archive import Manifest, writing
from soukctl.config import SERVICES

BYTES = bytes(range(256))


@pytest.fixture(scope="session")
def shop_urls(database_of):
    return {
        one: database_of(one).engine.url.render_as_string(hide_password=False) for one in SERVICES
    }


@pytest.fixture
def source(database_of, clean, shop_urls, turn_to):
    """A shop with a row of every kind of column that is easily spoilt."""
    for service in SERVICES:
        clean(database_of(service))
    turn_to(shop_urls)
    with database_of("catalog").engine.begin() as connection:
        connection.execute(
            text("INSERT INTO picture_contents VALUES (:hash, :data)"),
            {"hash": BYTES[:32], "data": BYTES * 40},
        )
        picture = (
            "INSERT INTO pictures (user_id, username, content_hash, media_type, bytes, created_at) "
            "VALUES (1, 'Zoë \U0001f600', :hash, 'image/png', 1, '2026-01-02 03:04:05.000006')"
        )
        for _ in range(2):
            connection.execute(text(picture), {"hash": BYTES[:32]})
        connection.execute(text("DELETE FROM pictures ORDER BY id DESC LIMIT 1"))
    with database_of("analytics").engine.begin() as connection:
        minute = "INSERT INTO product_minutes VALUES ('2026-01-02', 1, 2, 3, 4, :revenue)"
        connection.execute(text(minute), {"revenue": 10**37})
        sales = text("INSERT INTO sales VALUES (:id, 0, 1, 1, 5, '2026-01-02', 'placed')")
        connection.execute(sales, [{"id": f"{number:032}"} for number in range(1200)])
        viewed = datetime.now(UTC).date() - timedelta(days=2)
        view = "INSERT INTO views VALUES (:at, :id, 1, NULL, '-', 200)"
        connection.execute(text(view), {"at": viewed, "id": BYTES[:16]})


@pytest.fixture
def archive(soukctl, source, tmp_path):
    path = tmp_path / "shop.tar"
    outcome = soukctl("backup", str(path), "--settle", "0")
    assert outcome.exit_code == 0, outcome.output
    return path


def test_what_comes_back_is_what_was_there(soukctl, archive, target, tmp_path):
    urls = target()

    outcome = soukctl("restore", str(archive), "--json")

    assert outcome.exit_code == 0, outcome.output
    assert json.loads(outcome.stdout)["rows"]["analytics"] == 1202
    assert soukctl("db", "check").exit_code == 0
    analytics = create_engine(urls["analytics"], poolclass=NullPool)
    with Session(analytics) as session:
        assert len(partitions(session)) == 3  # a day each, up to the backup's
    again = tmp_path / "again.tar"
    assert soukctl("backup", str(again), "--settle", "0").exit_code == 0
    with tarfile.open(archive) as one, tarfile.open(again) as other:
        tables = [json.load(tar.extractfile("manifest.json"))["schemas"] for tar in (one, other)]
    assert tables[0] == tables[1]
    assert tables[0]["catalog"]["tables"]["pictures"]["counter"] > 2


def test_schemas_of_the_same_release_without_rows_are_as_good_as_none(soukctl, archive, target):
    for service, url in target().items():
        migrate_to_head(url, migrations_of(service))

    assert soukctl("restore", str(archive)).exit_code == 0


def test_a_second_restore_is_refused_and_changes_nothing(soukctl, archive, target):
    target()
    assert soukctl("restore", str(archive)).exit_code == 0

    outcome = soukctl("restore", str(archive))

    assert outcome.exit_code == 1
    assert "The schema of catalog has rows in" in outcome.stderr


def test_one_full_schema_keeps_all_of_them_as_they_are(
    soukctl, archive, target, shop_urls, monkeypatch
):
    target()
    monkeypatch.setenv("ANALYTICS_DATABASE_URL", shop_urls["analytics"])

    assert soukctl("restore", str(archive)).exit_code == 1

    assert "Migrations are missing." in soukctl("db", "check", "auth").stdout


def test_an_archive_is_its_owner_s_and_never_overwritten(soukctl, archive):
    before = archive.read_bytes()

    outcome = soukctl("backup", str(archive), "--settle", "0")

    assert (outcome.exit_code, archive.stat().st_mode & 0o777) == (1, 0o600)
    assert "overwrites nothing" in outcome.stderr
    assert archive.read_bytes() == before
    assert [path.name for path in archive.parent.glob(".shop*")] == []


def members(path):
    with tarfile.open(path) as tar:
        return [(one.name, one.offset_data, one.size) for one in tar]


def test_one_changed_byte_anywhere_is_noticed(soukctl, archive, target):
    target()
    whole = archive.read_bytes()
    for name, start, size in members(archive):
        changed = bytearray(whole)
        changed[start + size // 2] ^= 1
        archive.write_bytes(changed)
        outcome = soukctl("restore", str(archive))

        assert outcome.exit_code == 1, name
        assert "archive" in outcome.stderr
    assert "Migrations are missing." in soukctl("db", "check", "auth").stdout
    archive.write_bytes(whole)
    assert soukctl("restore", str(archive)).exit_code == 0


@pytest.mark.parametrize("part", [0, 0.3, 0.9])
def test_half_an_archive_is_refused(soukctl, archive, target, part):
    target()
    archive.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * part)])

    outcome = soukctl("restore", str(archive))

    assert outcome.exit_code == 1
    assert outcome.stderr.startswith("Error: ")


def test_secrets_are_in_it_only_when_named_and_come_out_for_their_owner(
    soukctl, archive, source, target, tmp_path
):
    secret = tmp_path / "shop.env"
    secret.write_text("SECRET_KEY=nobody knows\n")
    other = tmp_path / "other.tar"
    outcome = soukctl("backup", str(other), "--settle", "0", "--with-secrets", str(secret))
    urls = target()
    out = tmp_path / "out"
    out.mkdir()
    (out / "shop.env").write_text("somebody else's")

    refused = soukctl("restore", str(other), "--secrets-to", str(out))

    assert "shop.env is there already" in refused.stderr
    with create_engine(urls["auth"], poolclass=NullPool).connect() as connection:
        assert revision_of(connection) is None
    assert (out / "shop.env").read_text() == "somebody else's"
    (out / "shop.env").unlink()
    assert soukctl("restore", str(other), "--secrets-to", str(out)).exit_code == 0

    assert "whoever reads it has the shop" in outcome.stderr
    assert (out / "shop.env").read_text() == secret.read_text()
    assert (out / "shop.env").stat().st_mode & 0o777 == 0o600
    assert not [name for name, *_ in members(archive) if name.startswith("secrets")]


@pytest.mark.parametrize("name", ["../stolen", "/tmp/stolen", "a/b"])
def test_an_archive_does_not_choose_where_its_secrets_go(soukctl, turn_to, tmp_path, name):
    turn_to(dict.fromkeys(SERVICES, "mysql+pymysql://nobody@127.0.0.1:1/none"))
    crafted, out = tmp_path / "crafted.tar", tmp_path / "out"
    out.mkdir()
    with writing(crafted) as archive:
        archive.seal(
            Manifest(
                made_at="2026-01-02T03:04:05Z",
                souk="0",
                server="0",
                schemas={},
                bindings={},
                secrets={name: "0"},
            )
        )

    outcome = soukctl("restore", str(crafted), "--secrets-to", str(out))

    assert outcome.exit_code == 1
    assert "that is no name" in outcome.stderr
