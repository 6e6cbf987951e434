# SPDX-License-Identifier: Apache-2.0
"""The audit of the whole shop, for admins."""

from apiflask import APIBlueprint
from flask import current_app

from analytics.audit import Auditor
from analytics.schemas import AuditOut
from common.access import requires

blueprint = APIBlueprint("audit", __name__, url_prefix="/v1/audit", tag="audit")


@blueprint.get("/invariants")
@requires("admin")
@blueprint.output(AuditOut)
def get_invariants() -> AuditOut:
    """Every rule of the shop, with what breaks it; an empty list of violations is a proof.

    What is only on its way between two services is looked at again for some seconds.
    """
    auditor: Auditor = current_app.extensions["auditor"]
    return AuditOut.of(auditor.audit())
