# SPDX-License-Identifier: Apache-2.0
"""Catalog and orders as the audit sees them: services that list, and do as they are told."""


class Said:
    status = 200

    def __init__(self, document):
        self._document = document

    def json(self):
        return self._document


class Service:
    """Another service's side of the audit: its own checks, and one list."""

    def __init__(self, key, *items):
        self.key, self.items, self.violations = key, list(items), []

    def get(self, path):
        if path == "/internal/audit":
            return Said({"checks": [{"name": "their.own", "violations": self.violations}]})
        after = path.partition("&after=")[2]
        items = sorted(self.items, key=lambda one: one[self.key])
        behind = [one for one in items if not after or str(one[self.key]) > after]
        return Said({"items": [] if "ledger" in path and self.key != "id" else behind[:1000]})


class Orders(Service):
    """Orders, and what they were asked to tell again."""

    def __init__(self):
        super().__init__("order_id")
        self.asked = []

    def post(self, path, body):
        assert path == "/internal/audit/tellings"
        self.asked.append(body)
        state = "repairable" if body["dry_run"] else "repaired"
        return Said({"outcome": {"rule": body["rule"], "state": state} | body["violation"]})


class Catalog(Service):
    """Reservations and ledger entries."""

    def __init__(self):
        super().__init__("order_id")
        self.ledger = []

    def get(self, path):
        if "/ledger" in path:
            return Said({"items": self.ledger})
        return super().get(path)
