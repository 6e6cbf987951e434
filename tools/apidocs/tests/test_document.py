# SPDX-License-Identifier: Apache-2.0
"""One document out of several, from parts that show each rule."""

import copy

import pytest

from souk_apidocs.document import merge, operations_of


def operation(name="v1_get_thing", **changes):
    responses = {"200": {"description": "Successful response"}}
    return {"operationId": name, "security": [], "responses": responses} | changes


def service(**paths):
    return {"paths": paths, "components": {"schemas": {"Problem": {"type": "object"}}}}


def merged(**services):
    return merge(services)["paths"]


def test_paths_that_the_gateway_hides_are_not_there():
    hidden = {"/internal/users": {"get": operation()}, "/metrics": {"get": operation()}}
    paths = merged(auth=service(**hidden, **{"/v1/users": {"get": operation()}}))

    assert set(paths) == {"/v1/users", "/healthz", "/readyz", "/openapi.json", "/docs"}


def test_one_call_has_one_service():
    carts = service(**{"/v1/cart": {"get": operation()}})

    with pytest.raises(ValueError, match="two services answer GET /v1/cart"):
        merge({"orders": carts, "catalog": copy.deepcopy(carts)})


def test_methods_of_one_path_may_be_of_two_services():
    one = service(**{"/v1/users": {"get": operation("a")}})
    other = service(**{"/v1/users": {"post": operation("b")}})

    assert list(merged(auth=one, orders=other)["/v1/users"]) == ["get", "post"]


def test_operations_of_one_name_get_names_of_their_own():
    paths = merged(
        auth=service(**{"/v1/users": {"get": operation("same"), "post": operation("same")}})
    )

    assert paths["/v1/users"]["get"]["operationId"] == "same_by_get"
    assert paths["/v1/users"]["post"]["operationId"] == "same_by_post"


def test_operation_of_no_group_is_refused():
    with pytest.raises(ValueError, match="belongs to no group"):
        merge({"auth": service(**{"/elsewhere": {"get": operation(tags=["Elsewhere"])}})})


@pytest.mark.parametrize(
    ("path", "method", "tags", "groups"),
    [
        ("/v1/orders/{id}", "get", ["V1"], ["Cart and orders"]),
        ("/users/login", "post", ["S1 Marketplace"], ["S1 Marketplace"]),
        ("/product/{ref}", "get", ["S0 x"], ["S0 Simple Project", "S3 Online store"]),
        ("/product/{ref}", "put", ["S0 x"], ["S0 Simple Project"]),
    ],
)
def test_groups(path, method, tags, groups):
    paths = merged(auth=service(**{path: {method: operation(tags=tags)}}))

    assert paths[path][method]["tags"] == groups


def test_a_call_that_only_some_make_without_a_token_takes_one():
    lacking = {"401": {"description": "`token_missing`: This needs a token."}}
    wrong = {"401": {"description": "`bad_credentials`: No."}}
    paths = merged(
        orders=service(
            **{
                "/v1/cart": {"get": operation(responses=lacking)},
                "/v1/auth/login": {"post": operation(responses=wrong)},
            }
        )
    )

    assert paths["/v1/cart"]["get"]["security"] == [{"token": []}, {}]
    assert paths["/v1/auth/login"]["post"]["security"] == []


def test_the_order_does_not_depend_on_the_services():
    one = {"/v1/orders": {"get": operation("a")}, "/v1/cart": {"get": operation("b")}}
    other = dict(reversed(one.items()))

    first, again = (merge({"orders": service(**paths)}) for paths in (one, other))
    assert operations_of(first) == operations_of(again)
    assert next(iter(first["paths"])) == "/v1/cart"
