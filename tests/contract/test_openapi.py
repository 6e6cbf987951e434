# SPDX-License-Identifier: Apache-2.0
"""The API document: valid, complete, and what the code says today."""

import re

import orjson
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from common.spec import METHODS
from souk_apidocs.components import PREFIX
from souk_apidocs.document import build, operations_of
from souk_apidocs.examples import body_of, resolved
from souk_apidocs.files import COLLECTION, DOCUMENT, PAGE, ROOT, made
from souk_apidocs.groups import GROUPS
from souk_apidocs.services import SERVICES, application
from support.openapi import served_document

VARIABLE = re.compile(r"<(?:[^:>]+:)?([^>]+)>")
HIDDEN = ("/internal", "/metrics", "/healthz", "/readyz")


@pytest.fixture(scope="module")
def document():
    return build()


@pytest.fixture(scope="module")
def operations(document):
    return operations_of(document)


@pytest.mark.parametrize("name", [DOCUMENT, PAGE, COLLECTION])
def test_the_file_says_what_the_code_says(name):
    assert (ROOT / name).read_bytes() == made()[name], "run `make openapi` and commit the result"


def test_made_again_it_is_the_same_to_the_byte(document):
    assert orjson.dumps(build()) == orjson.dumps(document)


def test_the_document_is_openapi_3_1(document):
    assert [str(fault) for fault in OpenAPIV31SpecValidator(document).iter_errors()] == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_call_of_every_service_is_there(service, document):
    missing = [
        f"{method} {rule.rule}"
        for rule in application(service).url_map.iter_rules()
        for method in sorted(rule.methods or ())
        if method.lower() in METHODS
        and not rule.rule.startswith(HIDDEN)
        and method.lower() not in document["paths"].get(VARIABLE.sub(r"{\1}", rule.rule), {})
    ]

    assert missing == []


def test_nothing_internal_is_there(document):
    assert not [path for path in document["paths"] if path.startswith(("/internal", "/metrics"))]


def test_every_operation_has_a_group_a_sentence_and_a_name_of_its_own(operations):
    names = [operation["operationId"] for _, _, operation in operations]
    for method, path, operation in operations:
        assert set(operation["tags"]) <= set(GROUPS), (method, path)
        assert operation["summary"].endswith("."), f"{method} {path}: the view has no docstring"

    assert len(names) == len(set(names))


def test_every_operation_says_what_it_answers(operations):
    """With a body there is its shape; without one the status says so."""
    silent = [
        f"{method} {path} {status}"
        for method, path, operation in operations
        for status, response in operation["responses"].items()
        if status not in {"204", "304"} and not shapes(response)
    ]

    assert silent == [], "put @blueprint.output(Shape) or output({}, status_code=204) on the view"


def shapes(response):
    return [media["schema"] for media in response.get("content", {}).values() if media["schema"]]


def test_every_guarded_operation_may_refuse_whoever_has_no_token(operations):
    for method, path, operation in operations:
        if operation["security"]:
            refused = {"401", "403"} & operation["responses"].keys()
            assert refused, (method, path)


def test_every_body_has_an_example_that_it_takes(document, operations):
    known = served_document()
    faults = []
    for method, path, operation in operations:
        if media := body_of(operation):
            for example in resolved(media["schema"], document).get("examples", []):
                place = ["paths", path, method, "requestBody", "content", "application/json"]
                faults += [
                    f"{method} {path}: {fault}"
                    for fault in known.faults([*place, "schema"], example)
                ]

    assert faults == []


def test_every_body_of_a_seed_has_the_seed_s_own_example(document, operations):
    lacking = [
        f"{method} {path}"
        for method, path, operation in operations
        if not path.startswith("/v1/")
        and (media := body_of(operation))
        and not resolved(media["schema"], document).get("examples")
    ]

    assert lacking == []


def test_s4_answers_in_its_envelope_only(document, operations):
    for _, path, operation in operations:
        if re.match(r"/api/(?:user|picture)(?:/|$)", path):
            for response in operation["responses"].values():
                (media,) = response["content"].values()
                shape = resolved(media["schema"], document)
                assert set(shape["properties"]) == {"message", "code", "data"}, path


def test_no_reference_leads_nowhere_and_no_shape_is_left_over(document):
    text = orjson.dumps(document).decode()
    named = set(re.findall(rf'"{re.escape(PREFIX)}([^"]+)"', text))

    assert named == set(document["components"]["schemas"])
