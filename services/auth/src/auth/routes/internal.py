# SPDX-License-Identifier: Apache-2.0
"""What other services ask auth."""

from apiflask import APIBlueprint

from auth.routes import accounts, user_id_in
from auth.schemas import EpochShown
from common.access import internal

blueprint = APIBlueprint("internal", __name__, url_prefix="/internal", enable_openapi=False)


@blueprint.get("/users/<ref>/epoch")
@internal
@blueprint.output(EpochShown)
def get_epoch(ref: str) -> EpochShown:
    return EpochShown(epoch=accounts().epoch(user_id_in(ref)))
