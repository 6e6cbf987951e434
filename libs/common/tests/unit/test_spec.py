# SPDX-License-Identifier: Apache-2.0
"""What the API document says beyond what APIFlask finds."""

import pytest
from apiflask import APIBlueprint, APIFlask

from common.access import public, requires
from common.problems import Problem
from common.schemas import Schema, Shown
from common.spec import describe, refuses


class SkuTaken(Problem):
    status = 409
    detail = "Another product has this sku."


class In(Schema):
    name: str


class Out(Shown):
    id: int


@pytest.fixture(scope="module")
def paths():
    app = APIFlask("test", docs_path=None, spec_path=None)
    app.config.update(
        OPENAPI_VERSION="3.1.0", AUTO_404_RESPONSE=False, AUTO_VALIDATION_ERROR_RESPONSE=False
    )
    blueprint = APIBlueprint("v1", "test")

    @blueprint.post("/v1/products/<int:number>")
    @requires("admin")
    @refuses(SkuTaken)
    @blueprint.input(In)
    @blueprint.output(Out)
    def post_product(number: int, json_data: In) -> Out:
        """Change a thing."""
        raise NotImplementedError

    @blueprint.get("/product/<ref>")
    @public
    @blueprint.output(Out)
    def get_product(ref: str) -> Out:
        raise NotImplementedError

    @blueprint.route("/api/user/login", methods=["GET", "POST"])
    @requires()
    @blueprint.output(Out)
    def log_in() -> Out:
        raise NotImplementedError

    app.register_blueprint(blueprint)
    return describe(app, app.spec)["paths"]


def test_a_refusal_of_the_domain_stands_there_with_its_word_and_sentence(paths):
    responses = paths["/v1/products/{number}"]["post"]["responses"]

    assert responses["409"] == {
        "description": "`sku_taken`: Another product has this sku.",
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }


def test_what_every_guarded_call_with_a_body_may_refuse_comes_by_itself(paths):
    operation = paths["/v1/products/{number}"]["post"]

    assert set(operation["responses"]) == {
        *("200", "400", "401", "403", "409", "413", "415", "422", "429", "503", "default")
    }
    assert operation["security"] == [{"token": []}]
    assert "For: admin." in operation["description"]
    assert operation["requestBody"]["required"] is True


def test_a_public_call_needs_no_token_and_a_seeds_path_says_502(paths):
    operation = paths["/product/{ref}"]["get"]

    assert operation["security"] == []
    assert set(operation["responses"]) == {"200", "429", "502", "default"}


def test_s4_refuses_in_its_envelope_with_its_numbers(paths):
    responses = paths["/api/user/login"]["post"]["responses"]

    assert responses["403"]["description"].startswith("7: ")
    assert "8: " in responses["401"]["description"]
    assert responses["401"]["content"] == {
        "application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}
    }


def test_every_operation_has_a_name_of_its_own(paths):
    names = [operation["operationId"] for item in paths.values() for operation in item.values()]

    assert sorted(names) == [
        *("v1_get_product", "v1_log_in_by_get", "v1_log_in_by_post", "v1_post_product")
    ]
