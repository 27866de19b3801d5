# SPDX-License-Identifier: Apache-2.0
"""What every test has: Django configured as the product configures it, on a database of this run's own.

A test that names the fixture `db` or `transactional_db` (or the marker `django_db`) may use both databases; after a
test with `transactional_db` the tables hold again what the migrations put there.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from packhouse.config import Settings
from tests.infra import databases
from tests.infra.azure import Azure, azure_server, is_installed
from tests.infra.buckets import BucketServer, bucket_server
from tests.infra.postgresql import Cluster
from tests.infra.server import live, start_server

__all__ = ["live", "start_server"]

if TYPE_CHECKING:  # takes a tenth of a second that most tests need not spend
    from playwright.sync_api import Browser

hypothesis.settings.register_profile("quick", max_examples=20, deadline=None)
hypothesis.settings.register_profile("thorough", max_examples=100, deadline=None)
hypothesis.settings.load_profile(os.environ.get("PACKHOUSE_TEST_PROFILE", "thorough"))

COMMITTING_FIXTURES = {"transactional_db", "live_server"}
DATABASE_FIXTURES = COMMITTING_FIXTURES | {"db"}
DATA = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Configure Django for this process: each worker of pytest-xdist has a data folder and databases of its own."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # below nohup servers would not hear it
    from django.conf import settings as django_settings

    from packhouse.site.settings import values

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright runs an event loop in the test's own thread
    data = databases.make_data_folder()
    config.stash[DATA] = data
    database = None
    if databases.wanted() == "postgresql":
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        database = databases.cluster().create(f"packhouse_{worker}")
    settings = Settings(data=data, database=database)
    if not django_settings.configured:
        django_settings.configure(**values(settings, secret_key="for tests alone") | _quick())


def _quick() -> dict[str, object]:
    """What tests may do with less: a password hash that costs nothing, mail kept in memory."""
    return {
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
        "EMAIL_BACKEND": "django.core.mail.backends.locmem.EmailBackend",
        "EVEN_SECONDS": 0.0,
    }


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    databases.stop()
    databases.remove_data_folder(config.stash[DATA])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let every test of the database use both of ours, and find the migrations' rows after any other."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        marker = item.get_closest_marker("django_db")
        if marker is None and not fixtures & DATABASE_FIXTURES:
            continue
        options = dict(marker.kwargs) if marker else {}
        transaction = bool(options.get("transaction")) or bool(fixtures & COMMITTING_FIXTURES)
        options |= {
            "databases": ["default", "activity"],
            "transaction": transaction,
            "serialized_rollback": transaction,
        }
        item.add_marker(pytest.mark.django_db(**options), append=False)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A running PostgreSQL, the run's own where there is one."""
    try:
        yield databases.cluster()
    finally:
        if databases.wanted() != "postgresql":
            databases.stop()


@pytest.fixture(scope="session")
def s3() -> Iterator[BucketServer]:
    """A real S3 server, of this process of the run."""
    with bucket_server() as running:
        yield running


@pytest.fixture
def bucket(s3: BucketServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty bucket; the environment has its keys."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return s3.fresh()


@pytest.fixture(scope="session")
def azure() -> Iterator[Azure]:
    """A server that speaks Azure's blob storage, of this process of the run."""
    if not is_installed():
        pytest.skip("Azurite is not installed; `make test-full` installs it where there is Node.js 20 with npm.")
    with azure_server() as running:
        yield running


@pytest.fixture(params=["s3", pytest.param("azure", marks=pytest.mark.full)])
def any_bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty bucket of either maker; the environment has its keys."""
    server: BucketServer | Azure = request.getfixturevalue(request.param)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server.fresh()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for the tests of a module: Playwright runs once in a process. Each test makes its own context."""
    from tests.infra.browser import chromium

    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: object) -> Iterator[None]:
    """Migrate this process's databases as the product does."""
    from django.conf import settings as django_settings
    from django.db import connections

    from packhouse.catalogue.migrating import migrate

    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        migrate(django_settings.PACKHOUSE)
        for connection in connections.all():
            connection._test_serialized_contents = connection.creation.serialize_db_to_string()  # type: ignore[attr-defined]
    yield
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        connections.close_all()
