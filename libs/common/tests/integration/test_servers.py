# SPDX-License-Identifier: Apache-2.0
"""The servers of a test run are the ones that its parameters ask for."""

import pytest
from sqlalchemy import create_engine, text

from common.testing.servers import BINARY_LOG


@pytest.mark.skipif(BINARY_LOG is None, reason="SOUK_TEST_BINARY_LOG leaves it to the server")
def test_the_database_keeps_a_binary_log_if_and_only_if_it_was_asked_to(servers):
    engine = create_engine(servers.database_url)
    with engine.connect() as connection:
        keeps_one = bool(connection.execute(text("SELECT @@log_bin")).scalar_one())
    engine.dispose()

    assert keeps_one == BINARY_LOG
