# SPDX-License-Identifier: Apache-2.0
"""`/admin/`: the state of the server, for administrators alone; and the same as metrics."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from tests.infra.clock import TickingClock

from packhouse.catalogue.activity.models import Scrub, ScrubFinding
from packhouse.services import notes
from packhouse.services.resources import now

if TYPE_CHECKING:
    from tests.infra.accounts import Browser

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(browser: Browser) -> Browser:
    """The browser of alice, an administrator."""
    from tests.infra.accounts import make_user
    from tests.infra.publishing import make_resources

    from packhouse.web.resources import hold

    hold(make_resources(TickingClock(), data=settings.PACKHOUSE.data))
    make_user(admin=True)
    browser.sign_in()
    return browser


def test_others_are_kept_away(signed_in: Browser) -> None:
    assert signed_in.get("/admin/").status_code == 403
    signed_in.post("/account/logout/")
    assert signed_in.get("/admin/")["Location"].startswith("/account/login/")


def test_what_was_never_done_says_how(admin: Browser) -> None:
    page = admin.get("/admin/").content.decode()
    assert "<code>packhouse backup FILE</code>" in page
    assert "<code>packhouse verify</code>" in page
    assert "has not begun" in page
    assert "Damaged files" not in page


def test_the_scrub_and_what_it_found_the_backup_and_the_verification_are_shown(admin: Browser) -> None:
    Scrub.objects.create(
        name="scrub", begun_at=now(), stepped_at=now(), finished_at=now() - timedelta(days=3), resting=True
    )
    ScrubFinding.objects.create(sha256="a" * 64, code="blob-damaged", sentence="The <file> is damaged.", found_at=now())
    data = settings.PACKHOUSE.data
    data.mkdir(exist_ok=True)
    at = now().isoformat()
    notes.keep(data, "last-backup", {"at": at, "serial": 4711, "file": "/backups/b", "missing": 0})
    notes.keep(data, "last-verify", {"at": at, "problems": 2, "serial": 4711, "quick": True})
    try:
        page = admin.get("/admin/").content.decode()
        numbers = admin.get("/metrics").content.decode()
    finally:
        (data / "last-backup").unlink()
        (data / "last-verify").unlink()
    for words in ("The &lt;file&gt; is damaged.", "up to serial 4711", "2 problems (quick)", "1 damaged file known"):
        assert words in page
    assert "packhouse_damaged_blobs 1.0" in numbers
    assert "packhouse_backup_seconds 0.0" not in numbers
