# SPDX-License-Identifier: Apache-2.0
"""What was acknowledged is in the very next answer, whichever process gives it (short form of benchmarks.freshness)."""

from __future__ import annotations

from benchmarks.freshness import Findings, pairs, storm
from tests.http.client import Site


def test_no_read_after_an_acknowledged_publish_is_stale(site: Site) -> None:
    findings = Findings()
    pairs(site.server.url, site.token, 120, 6, findings)
    assert findings.compared == 120
    assert findings.stale == []


def test_under_a_storm_the_page_is_never_older_than_the_last_acknowledged_upload(site: Site) -> None:
    findings = Findings()
    storm(site.server.url, site.token, 60, 6, findings)
    assert findings.compared > 5
    assert findings.stale == []


def test_a_stale_answer_would_be_noticed() -> None:
    findings = Findings()
    findings.compare({"a"}, {"a", "b"}, "here")
    assert findings.stale == ["here: 1 missing, b among them"]
