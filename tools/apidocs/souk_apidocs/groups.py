# SPDX-License-Identifier: Apache-2.0
"""In which groups people see the API's operations, and in which order."""

GROUPS = {
    "Users and log-ins": "Accounts, tokens, and what admins do with users.",
    "Products": "What is for sale, its prices and its stock.",
    "Pictures": "Pictures of products, checked by content.",
    "Cart and orders": "From the cart to an order that takes its stock exactly once.",
    "Notifications": "Mails to admins, and sending one again.",
    "Analytics": "Who looked at what, and what was sold.",
    "Operations": "The shop's own books, and messages that nobody could handle.",
    "Gateway": "The one address itself.",
    "S0 Simple Project": "Older API. Needs an `Accept` header, else 440.",
    "S1 Marketplace": "Older API. Every change of a product is mailed to all admins.",
    "S2 Catalog": "Older API with refresh tokens that do not rotate.",
    "S3 Online store": "Older API. Guests have a cart and a token, and no password.",
    "S4 Mithril": "Older API. Every answer is `{message, code, data}`; the token is sent raw.",
}

_OF_PATHS = {
    "/.well-known/": "Users and log-ins",
    "/v1/auth/": "Users and log-ins",
    "/v1/users": "Users and log-ins",
    "/v1/products": "Products",
    "/v1/pictures": "Pictures",
    "/v1/cart": "Cart and orders",
    "/v1/orders": "Cart and orders",
    "/v1/notifications": "Notifications",
    "/v1/analytics": "Analytics",
    "/v1/audit": "Operations",
    "/v1/dead-letters": "Operations",
    "/v1/events": "Operations",
}


_SHARED = {
    "get /product/{ref}": ("S0", "S3"),
    "post /api/products": ("S1", "S2"),
    "delete /api/products/{ref}": ("S1", "S2"),
}
"""Calls that two of the older APIs have, with one answer for both."""


def groups_of(method: str, path: str, tags: list[str]) -> list[str]:
    """The groups of an operation: on the canonical API by its path, else by its seeds.

    Raises:
        ValueError: There is none.
    """
    for beginning, group in _OF_PATHS.items():
        if path.startswith(beginning):
            return [group]
    seeds = _SHARED.get(f"{method} {path}", [tag.split()[0] for tag in tags])
    found = [group for group in GROUPS if group.split()[0] in seeds]
    if not found:
        raise ValueError(f"{path} belongs to no group: say in souk_apidocs/groups.py to which")
    return found
