# SPDX-License-Identifier: Apache-2.0
"""S3, Online store: customers, who have a name and nothing else."""

from apiflask import APIBlueprint

from auth.errors import UsernameTaken
from auth.routes import accounts, keep_private
from auth.seed_schemas import S3CustomerShown, S3NewCustomer
from common.access import public
from common.spec import refuses

blueprint = APIBlueprint("s3", __name__, url_prefix="/customer", tag="S3 Online store")
blueprint.after_request(keep_private)


@blueprint.post("/add")
@public
@refuses(UsernameTaken)
@blueprint.input(S3NewCustomer)
@blueprint.output(S3CustomerShown, status_code=201)
def post_customer(json_data: S3NewCustomer) -> S3CustomerShown:
    """Become a customer as a guest, with a token for a day."""
    guest = accounts().create_guest(username=json_data.username)
    return S3CustomerShown(
        customer_id=guest.id,
        id=guest.id,
        username=guest.username,
        access_token=accounts().access_token(guest),
    )
