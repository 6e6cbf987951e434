# SPDX-License-Identifier: Apache-2.0
"""The gateway, the services behind it, and whether an admin gets a token that they take."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from soukctl.checks.finding import Finding, well, wrong
from soukctl.config import SERVICES, Config
from soukctl.gateway import GatewayClient
from soukctl.shop import Refused, Shop

SECONDS = 5.0
LOCALLY = "`make status` and `make logs` show the local ones"


def gateway(config: Config) -> Iterator[Finding]:
    """Whether it answers, and what it says of each service."""
    [url] = config.need("gateway_url")
    client = GatewayClient(url, timeout_seconds=SECONDS)
    try:
        status = client.get("/healthz").status
    except OSError as error:
        reason = getattr(error, "reason", error)
        fix = f"start nginx, or correct GATEWAY_URL; {LOCALLY}."
        yield wrong("gateway", f"{url} does not answer: {reason}", fix)
        return
    if status != HTTPStatus.OK:
        fix = "see whether GATEWAY_URL is Souk's gateway and not something before it."
        yield wrong("gateway", f"{url}/healthz says {status}", fix)
        return
    yield well("gateway", f"{url} answers")
    services = client.readiness().body
    said = services.get("services", {}) if isinstance(services, dict) else {}
    yield from (service(name, said.get(name)) for name in SERVICES)


def token(config: Config) -> Iterator[Finding]:
    """Whether the admin can log in, and the services believe it."""
    shop = Shop.of(config)
    try:
        me = shop.get("/v1/users/me")
    except Refused as refusal:
        fix = "correct ADMIN_USERNAME and ADMIN_PASSWORD, or run `soukctl create-admin`."
        yield wrong("token", str(refusal), fix)
        return
    if me["role"] != "admin":
        yield wrong("token", f"{me['username']} is no admin", "run `soukctl create-admin`.")
    else:
        yield well("token", f"{me['username']} logs in as admin, and the token is taken")


def service(name: str, report: Mapping[str, Any] | None) -> Finding:
    """What a service's own report means, as the gateway hands it on."""
    subject = f"{name} web"
    if report is None or "checks" not in report:
        fix = f"start `python -m {name} web`, or correct the gateway's {name.upper()}_UPSTREAM; "
        return wrong(subject, "gives no answer", fix + f"{LOCALLY}.")
    missing = [check for check, found in report["checks"].items() if not found["ok"]]
    if missing:
        fix = f"see below what is wrong with that; {name}'s own settings may name another one."
        return wrong(subject, f"does not reach {', '.join(missing)}", fix)
    return well(subject, "is ready")
