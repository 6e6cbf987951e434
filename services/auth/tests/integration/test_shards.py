# SPDX-License-Identifier: Apache-2.0
"""No statement of auth asks every shard, but those that are named in deploy/vitess."""

from auth.sweeps import sweep_refresh_tokens

PASSWORD = "correct horse battery staple"


def test_accounts_and_log_ins_know_their_shard(shards, client, add_user, bearer):
    root = bearer(add_user("root", role="admin"))
    new = {"username": "ada", "email": "ada@example.com", "password": PASSWORD}
    assert client.post("/v1/auth/signup", json=new).status_code == 201
    for login in ("ada", "ada@example.com"):
        known = {"login": login, "password": PASSWORD}
        logged_in = client.post("/v1/auth/login", json=known).json
    fresh = client.post("/v1/auth/refresh", json={"refresh_token": logged_in["refresh_token"]}).json
    client.post("/v1/auth/logout", json={"refresh_token": fresh["refresh_token"]})
    ada = {"Authorization": f"Bearer {logged_in['access_token']}"}
    me = client.get("/v1/users/me", headers=ada).json["id"]
    client.patch("/v1/users/me", json={"fullname": "Ada"}, headers=ada)
    client.patch(f"/v1/users/{me}", json={"role": "analyst"}, headers=root)
    assert client.delete(f"/v1/users/{me}", headers=root).status_code == 204

    assert shards.faults == {}
    assert "auth.commands.refresh.rotate" in shards.heard


def test_lists_and_sweeps_ask_all_shards_only_where_it_is_named(
    shards, client, database, add_user, bearer
):
    root = bearer(add_user("root", role="admin"))
    client.get("/v1/users?q=ro", headers=root)
    client.get("/api/users", headers=root)
    sweep_refresh_tokens(database)

    assert shards.faults == {}
    assert "auth.queries.list_users" in shards.heard
