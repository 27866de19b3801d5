# SPDX-License-Identifier: Apache-2.0
"""A server whose facts live in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.infra.postgresql import Cluster
from tests.infra.server import Server

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def tables(cluster: Cluster, schema: str) -> set[str]:
    with cluster.connect("served") as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema]).fetchall()
    return {str(name) for (name,) in rows}


def test_a_server_starts_makes_its_schemas_and_starts_again(postgresql: Cluster, start_server: Callable[..., Server]):
    url = postgresql.create("served")
    server = start_server(extra={"PACKHOUSE_DATABASE": url}, fresh=True)
    assert server.get("/readyz")[0] == 200
    assert "catalogue_project" in tables(postgresql, "catalogue")
    assert "activity_session" in tables(postgresql, "activity")
    assert not tables(postgresql, "public")
    assert not list(server.data.glob("*.db"))
    assert server.stop() == 0
    again = start_server(extra={"PACKHOUSE_DATABASE": url}, data=server.data)
    assert again.get("/readyz")[0] == 200
