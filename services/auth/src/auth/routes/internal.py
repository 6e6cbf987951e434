# SPDX-License-Identifier: Apache-2.0
"""What other services ask auth."""

from apiflask import APIBlueprint

from auth import queries
from auth.models import User
from auth.names import STORE
from auth.routes import accounts, user_id_in
from auth.schemas import AccountShown, EpochShown
from common.access import internal
from common.app import database

blueprint = APIBlueprint("internal", __name__, url_prefix="/internal", enable_openapi=False)


@blueprint.get("/users/<ref>")
@internal
@blueprint.output(AccountShown)
def get_user(ref: str) -> User:
    """Show a user by id, or the built-in seller of an open store by its name."""
    if ref == STORE:
        return database().read(queries.store)
    return database().read(queries.user_by_id, user_id_in(ref))


@blueprint.get("/users/<ref>/epoch")
@internal
@blueprint.output(EpochShown)
def get_epoch(ref: str) -> EpochShown:
    """Show the epoch that a user's tokens must have."""
    return EpochShown(epoch=accounts().epoch(user_id_in(ref)))
