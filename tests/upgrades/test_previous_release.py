# SPDX-License-Identifier: Apache-2.0
"""The release before runs on the schemas of this one: its own tests say so.

``previous_release`` names its commit; who releases writes the new one there. Its code and tests are
taken from the repository's history, this release's migrations are put in the place of its own, and
some tests of each service are run, on a real database. Without the history (a shallow clone, an
archive) nothing can be said; that migrations only add is checked there too, by
``tests/architecture/test_migrations_add.py``.
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMIT = Path(__file__).with_name("previous_release").read_text().strip()
SAMPLE = {
    "auth": "test_refresh_tokens.py",
    "catalog": "test_handlers.py",
    "orders": "test_cart.py",
    "notifier": "test_claims.py",
    "analytics": "test_orders.py",
}
"""What writes and reads a service's most important tables in a few seconds."""


def archived():
    """The release before as a tar, or None where the history does not have it."""
    git = ["git", "-C", str(ROOT), "archive", COMMIT]
    try:
        return subprocess.run(git, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """The release before, with this one's migrations."""
    packed = archived()
    if packed is None:
        pytest.skip(f"{COMMIT[:10]} is not in this clone; `git fetch origin {COMMIT}` gets it")
    directory = tmp_path_factory.mktemp("release-before")
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(directory, filter="data")
    for service in SAMPLE:
        take_migrations(directory, service)
    return directory


def take_migrations(directory, service):
    migrations = directory / "services" / service / "migrations"
    shutil.rmtree(migrations)
    shutil.copytree(ROOT / "services" / service / "migrations", migrations)


@pytest.fixture(scope="module")
def run(release, servers):
    """Runs tests of the release before, in its own code, on this run's servers."""
    sources = [*release.glob("libs/*/src"), *release.glob("services/*/src")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, [*sources, release / "deploy" / "local" / "src"])),
        "SOUK_TEST_DATABASE_URL": servers.database_url,
        "SOUK_TEST_AMQP_URL": servers.amqp_url,
        "SOUK_TEST_REDIS_URL": servers.redis_url,
    }

    def tests_of(*services):
        files = [f"services/{one}/tests/integration/{SAMPLE[one]}" for one in services]
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files]
        return subprocess.run(
            command, check=False, cwd=release, env=environment, capture_output=True, text=True
        )

    return tests_of


@pytest.mark.slow
def test_the_code_of_the_release_before_runs_on_the_new_schemas(run):
    ended = run(*SAMPLE)

    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]


@pytest.mark.slow
def test_a_planted_step_that_breaks_old_code_is_noticed(run, release):
    line = 'op.add_column("stock_ledger", sa.Column("shop", sa.Integer(), nullable=False))'
    migrations = release / "services" / "catalog" / "migrations"
    last = max(path.name for path in migrations.glob("0*.py"))[:4]
    number = f"{int(last) + 1:04d}"
    step = migrations / f"{number}_break_ledger.py"
    step.write_text(
        f'import sqlalchemy as sa\nfrom alembic import op\nrevision = "{number}"\n'
        f'down_revision = "{last}"\ndef upgrade():\n    {line}\ndef downgrade(): ...\n'
    )
    try:
        ended = run("catalog")
    finally:
        step.unlink()

    assert ended.returncode == 1
    assert "stock_ledger" in ended.stdout
