# SPDX-License-Identifier: Apache-2.0
"""The gateway as its image starts it: no Python, no root, and names that lead elsewhere later."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from common.testing import eventually

GATEWAY = Path(__file__).parents[1]
NOBODY = 65534
# Knows of a name what lies in a file of that name.
GETENT = '#!/bin/sh\ncat "$(dirname "$0")/$2" 2>/dev/null\n'


@pytest.fixture
def contained(shared_gateway, own_services):
    """A gateway that runs as somebody without rights, with two services behind names."""
    names = {
        f"{service.upper()}_UPSTREAM": f"{service}-web:{own_services[service].port}"
        for service in ("catalog", "orders")
    }
    gateway = type(shared_gateway)(own_services, **names)
    home = gateway.directory
    shutil.copytree(GATEWAY, home / "gateway", ignore=shutil.ignore_patterns("tests", "shipper"))
    (home / "names").mkdir()
    (home / "names" / "getent").write_text(GETENT)
    (home / "names" / "getent").chmod(0o755)
    know(gateway, "127.0.0.1", "127.0.0.1")
    gateway.settings["GATEWAY_DIR"] = str(home / "gateway")
    as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    if os.geteuid() == 0:
        for path in (home, *home.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    gateway._process = subprocess.Popen(
        [*(as_nobody if os.geteuid() == 0 else []), home / "gateway" / "container"],
        env={"PATH": f"{home / 'names'}:{os.environ['PATH']}:/usr/sbin", **gateway.settings},
        process_group=0,
    )
    eventually(gateway._listens, what="that nginx listens")
    yield gateway
    gateway.stop()


def know(gateway, name, address):
    """Let the name lead there from now on; nowhere with None."""
    file = gateway.directory / "names" / name
    if address is None:
        file.unlink()
    else:
        file.write_text(f"{address}  STREAM {name}\n{address}  DGRAM\n")


def status(gateway, path):
    return gateway.ask(path).status


def statuses(gateway):
    """Of many requests: for a moment after a reload a worker with the old configuration answers."""
    return [status(gateway, path) for path in ("/cart/7", "/v1/products") * 20]


def test_a_name_that_nobody_has_is_a_503_until_somebody_has_it(contained):
    assert status(contained, "/v1/products") == 503
    know(contained, "catalog-web", "127.0.0.1")
    eventually(lambda: status(contained, "/v1/products") == 200, what="that catalog is found")


def test_a_name_that_leads_elsewhere_is_followed_and_a_lost_one_keeps_its_address(contained):
    for name in ("catalog-web", "orders-web"):
        know(contained, name, "127.0.0.1")
    eventually(lambda: all(each == 200 for each in statuses(contained)), what="both are found")
    know(contained, "catalog-web", None)
    know(contained, "orders-web", "127.0.0.2")
    eventually(lambda: status(contained, "/cart/7") != 200, what="that orders is elsewhere")
    assert status(contained, "/v1/products") == 200


def test_nobody_else_reads_who_looked_at_what(contained, own_services, reply):
    own_services["catalog"].replies["/v1/products/7"] = reply(headers={"X-Product-Id": "7"})
    know(contained, "catalog-web", "127.0.0.1")
    eventually(lambda: status(contained, "/v1/products/7") == 200, what="that catalog is found")
    eventually(contained.view_log.exists, what="a view")
    assert contained.view_log.stat().st_mode & 0o777 == 0o600
