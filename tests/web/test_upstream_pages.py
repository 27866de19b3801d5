# SPDX-License-Identifier: Apache-2.0
"""Projects of upstreams on people's pages and in documents: found, shown, explained, and hidden by the same rules."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press, make_resources
from tests.infra.upstreams import UpFile, Upstream, status, upstream
from tests.web.test_index_pages import admin, press

if TYPE_CHECKING:
    from tests.infra.accounts import Browser

    from packhouse.services.resources import Resources

__all__ = ["admin"]

OLD = "2024-05-06T07:08:09.123456Z"


@pytest.fixture
def source() -> Iterator[Upstream]:
    """An upstream with two projects."""
    with upstream() as host:
        host.add(
            "tapes",
            UpFile("tapes-1.0-py3-none-any.whl", b"one", requires_python=">=3.9", upload_time=OLD),
            UpFile("tapes-77.3.tar.gz", b"two", upload_time=OLD),
            UpFile("tapes-88.4.tar.gz", b"three", hashed=False, upload_time=OLD),
        )
        host.add("tapes-extra", UpFile("tapes_extra-1.0.tar.gz", b"four", size=None))
        yield host


@pytest.fixture
def house(db: None, source: Upstream, tmp_path: Path) -> Iterator[Resources]:
    """A server with that upstream below `main`."""
    from packhouse.services.indexes import ensure_main
    from packhouse.services.journal import COMMAND
    from packhouse.services.upstreams import ensure_default
    from packhouse.web.resources import hold

    made = make_resources(TickingClock(), data=tmp_path)
    ensure_main(made.clock)
    ensure_default(COMMAND, source.url, learns=False, clock=made.clock)
    hold(made)
    yield made
    made.doors.close()


def get(path: str, accept: str = "text/html") -> Any:
    return Client(headers={"accept": accept}).get(path)


def text(path: str) -> str:
    return str(get(path).content.decode())


def rule(house: Resources, key: str, value: str) -> None:
    from packhouse.services import index_rules
    from packhouse.services.journal import COMMAND

    index_rules.change_rule(COMMAND, "main", key, value, clock=house.clock)


def test_a_name_nobody_here_knows_is_asked_of_the_upstream_by_a_link(house: Resources, source: Upstream) -> None:
    page = text("/search/?q=Tapes")
    assert 'href="/project/tapes/?ask"' in page
    assert "Ask the upstream default" in page
    assert get("/project/tapes/").status_code == 404
    assert source.asked == []  # nothing is asked before somebody wants it
    assert get("/project/tapes/?ask")["Location"] == "/project/tapes/"
    assert source.paths() == ["/simple/tapes/"]
    shown = text("/project/tapes/")
    assert "From the upstream" in shown
    assert "tapes-77.3.tar.gz" in shown
    assert "tapes-1.0-py3-none-any.whl" in text("/project/Tapes/1.0/".replace("T", "t"))
    assert get("/project/TAPES/")["Location"] == "/project/tapes/"
    assert get("/project/tapes/9/").status_code == 404
    assert get(get("/project/nobody/?ask")["Location"]).status_code == 404
    assert "?ask" not in text("/search/?q=tapes")


def test_projects_kept_of_an_upstream_are_found_by_their_names(house: Resources, source: Upstream) -> None:
    for name in ("tapes", "tapes-extra"):
        get(f"/project/{name}/?ask")
    found = text("/search/?q=tapes")
    assert found.index('href="/project/tapes/"') < found.index('href="/project/tapes-extra/"')
    assert "From upstreams" in found
    assert "77.3" in found
    assert "/project/tapes-extra/" in text("/search/?q=extra")
    assert "From upstreams" not in text("/search/?q=nothing")
    assert "Last asked of upstreams" in text("/search/")
    assert "unknown" in text("/project/tapes-extra/")  # its size


def test_hostile_238_a_reserved_name_looks_like_any_other(house: Resources, source: Upstream) -> None:
    from packhouse.services.journal import COMMAND
    from packhouse.services.upstreams import set_reserved

    set_reserved(COMMAND, ["acme-*"], clock=house.clock)
    assert 'href="/project/acme-secret/?ask"' in text("/search/?q=acme-secret")
    assert get(get("/project/acme-secret/?ask")["Location"]).status_code == 404
    assert source.asked == []


def test_an_upstream_that_fails_is_said_and_what_is_here_is_shown(house: Resources, source: Upstream) -> None:
    get("/project/tapes/?ask")
    source.faults["*"] = status(500)
    assert get("/project/tapes-extra/?ask").status_code == 502
    assert get("/pypi/tapes-extra/json").status_code == 502
    assert get("/project/tapes/").status_code == 200
    assert get("/pypi/tapes/json").status_code == 200


def test_documents_tell_of_an_upstreams_project_too(house: Resources, source: Upstream) -> None:
    document = json.loads(get("/pypi/tapes/json").content)
    assert document["info"]["version"] == "77.3"
    assert sorted(document["releases"]) == ["1.0", "77.3"]
    file = document["releases"]["1.0"][0]
    assert (file["filename"], file["size"], file["python_version"]) == ("tapes-1.0-py3-none-any.whl", 3, "py3")
    assert list(file["digests"]) == ["sha256"]
    assert file["url"].endswith(f"/packages/{file['digests']['sha256']}/{file['filename']}")
    assert json.loads(get("/pypi/tapes/1.0/json").content)["info"]["requires_python"] == ">=3.9"
    assert get("/pypi/nobody/json").status_code == 404
    assert get("/index/main/pypi/Tapes/json").status_code == 301


ASKED = (
    "/search/?q=tapes",
    "/search/",
    "/project/tapes/",
    "/project/tapes/releases.csv",
    "/pypi/tapes/json",
    "/simple/tapes/",
)


@pytest.mark.parametrize("key", ["deny", "minimum_age"])
def test_hostile_243_what_a_rule_hides_of_an_upstream_is_named_nowhere(
    house: Resources, source: Upstream, key: str
) -> None:
    get("/project/tapes/?ask")
    for path in ASKED:
        assert "77.3" in text(path), path
    if key == "minimum_age":
        rule(house, "minimum_age_exempt", "tapes<77")
    rule(house, key, {"deny": "tapes>=77", "minimum_age": "3650d"}[key])
    for path in ASKED:
        assert get(path).status_code == 200
        assert "77.3" not in text(path), path
    for path in ("/project/tapes/77.3/", "/project/tapes/77.3/files.csv", "/pypi/tapes/77.3/json"):
        assert get(path).status_code == 404
    rule(house, "deny", "tapes")
    assert "/project/tapes/" not in text("/search/?q=tapes").partition('id="results"')[2]
    assert "No file of this project is served now" in text("/project/tapes/")
    assert get("/pypi/tapes/json").status_code == 404


def test_explain_lists_the_hidden_files_of_an_upstream(house: Resources, source: Upstream) -> None:
    from packhouse.services.explaining import explain

    get("/project/tapes/?ask")
    rule(house, "minimum_age", "3650d")
    rule(house, "minimum_age_mode", "warn")
    rule(house, "deny", "tapes==77.3")
    found = explain("main", "tapes", house.clock())
    assert (found.upstream, found.served, found.hidden) == ("default", 1, 2)
    hidden = {(ground.filename, ground.rule): ground for ground in found.grounds if ground.enforced}
    assert set(hidden) == {("tapes-77.3.tar.gz", "deny"), ("tapes-88.4.tar.gz", "held")}
    denied = hidden["tapes-77.3.tar.gz", "deny"]
    assert denied.since is not None
    assert denied.until is None
    warned = next(ground for ground in found.grounds if not ground.enforced)
    assert (warned.rule, warned.since) == ("minimum_age", denied_upload(warned.filename))
    assert warned.until is not None
    page = text("/project/tapes/explain/")
    assert "1 file served, 2 hidden for the reasons below" in page
    assert "gives no sha256 of the file" in page
    assert "warning only" in page


def denied_upload(filename: str) -> Any:
    """The moment from which the age of a file counts."""
    from packhouse.catalogue.models import UpstreamFile

    return UpstreamFile.objects.get(filename=filename).seen_at


def test_explain_says_what_upstreams_have_to_do_with_a_name(house: Resources, source: Upstream) -> None:
    from tests.infra.accounts import make_user

    from packhouse.services import upstreams
    from packhouse.services.explaining import explain
    from packhouse.services.journal import COMMAND

    upstreams.set_reserved(COMMAND, ["acme-*"], clock=house.clock)
    assert "is reserved" in explain("main", "acme-x", house.clock()).note
    assert "they are asked when" in explain("main", "tapes", house.clock()).note
    get("/project/tapes/?ask")
    assert explain("main", "tapes", house.clock()).note == ""
    upstreams.permit(COMMAND, "tapes", clock=house.clock)
    make_user()
    press(house).wheel("tapes", "99.0")
    assert "also one of default" in explain("main", "tapes", house.clock()).note
    assert source.paths("/simple/acme") == []


def test_hostile_230_explain_names_quarantine_for_each_file(house: Resources, source: Upstream) -> None:
    from tests.infra.accounts import make_user

    from packhouse.domain.listing import Status
    from packhouse.services import access, projects, tokens
    from packhouse.services.explaining import explain
    from packhouse.services.journal import COMMAND

    get("/project/tapes/?ask")
    source.projects["tapes"].status, source.projects["tapes"].reason = "quarantined", "malware"
    assert isinstance(house.clock, TickingClock)
    house.clock.move(seconds=601)
    get("/project/tapes/?ask")
    theirs = explain("main", "tapes", house.clock())
    assert {ground.rule for ground in theirs.grounds} == {"quarantine", "held"}
    assert theirs.served == 0
    assert "malware" in theirs.grounds[0].reason
    _, secret = tokens.create_token(COMMAND, make_user(), f"press {secrets.token_hex(4)}", clock=house.clock)
    Press(house, access.authenticate(f"Bearer {secret}", house.clock())).wheel("ours", "1.0")
    projects.set_status(COMMAND, "ours", Status.QUARANTINED, reason="looked at", clock=house.clock)
    ours = explain("main", "ours", house.clock())
    assert [(ground.rule, ground.until) for ground in ours.grounds] == [("quarantine", None)]
    assert ours.grounds[0].since is not None
    assert "the status is changed" in text("/project/ours/explain/")


def test_administrators_see_upstreams_and_reserve_permit_and_withdraw_names(
    admin: Browser, house: Resources, source: Upstream
) -> None:
    from packhouse.catalogue.models import JournalEntry
    from packhouse.services.upstreams import permitted_names, reserved_names

    def said() -> str:
        return str(admin.get("/admin/upstreams/").content.decode())

    get("/project/tapes/?ask")
    assert source.url in said()
    assert "None is known." in said()
    admin.post("/admin/upstreams/", action="reserve", names="Acme-*, secret.tool\nother")
    assert reserved_names() == ("acme-*", "other", "secret-tool")
    assert "Reserved: acme-*, other, secret-tool" in said()
    assert (
        "is neither a name nor a prefix"
        in admin.post("/admin/upstreams/", action="reserve", names="*").content.decode()
    )
    admin.post("/admin/upstreams/", action="reserve", names="")
    assert reserved_names() == ()
    admin.post("/admin/upstreams/", action="permit", name="Tapes")
    assert permitted_names() == ["tapes"]
    assert "not used yet" in said()
    assert "is not a project name" in admin.post("/admin/upstreams/", action="permit", name="a b").content.decode()
    press(house).wheel("tapes", "99.0")
    page = said()
    assert "published here" in page
    assert 'href="/project/tapes/explain/"' in page.partition('id="clashes"')[2]
    admin.post("/admin/upstreams/", action="withdraw", name="tapes")
    assert permitted_names() == []
    assert "is not permitted" in str(
        admin.get(admin.post("/admin/upstreams/", action="withdraw", name="tapes")["Location"]).content.decode()
    )
    assert "no action" in str(
        admin.get(admin.post("/admin/upstreams/", action="explode", name="tapes")["Location"]).content.decode()
    )
    kinds = JournalEntry.objects.filter(actor="alice", via="web").values_list("kind", flat=True)
    assert list(kinds.exclude(kind__in=["project created", "role added", "release new", "file added"])) == [
        "index rule set",
        "index rule set",
        "upstream name permitted",
        "upstream permit ended",
    ]


def test_hostile_235_publishing_a_name_of_the_upstreams_needs_the_permit(house: Resources, source: Upstream) -> None:
    from tests.infra.accounts import make_user

    from packhouse.errors import PackhouseError
    from packhouse.services import upstreams
    from packhouse.services.journal import COMMAND

    make_user()
    get("/project/tapes/?ask")
    upstreams.permit(COMMAND, "tapes", clock=house.clock)
    upstreams.end_permit(COMMAND, "tapes", clock=house.clock)
    with pytest.raises(PackhouseError) as caught:
        press(house).wheel("tapes", "99.0")
    assert caught.value.code == "name-upstream"
    upstreams.permit(COMMAND, "tapes", clock=house.clock)
    press(house).wheel("tapes", "99.0")
    assert "99.0" in text("/project/tapes/")
    assert "77.3" not in text("/project/tapes/")


def test_what_everybody_installs_counts_what_came_from_upstreams(house: Resources, source: Upstream) -> None:
    from packhouse.services import downloads
    from packhouse.storage.tally import Key

    get("/project/tapes/?ask")
    get("/project/tapes-extra/?ask")
    day = house.clock().date().toordinal() - 719_163
    downloads.keep(
        {
            Key(day, "main", "tapes-77.3.tar.gz", "pip", "3.12"): 7,
            Key(day, "main", "tapes_extra-1.0.tar.gz", "uv", "3.12"): 3,
            Key(day, "main", "nobody-1.0.tar.gz", "uv", "3.12"): 3,
        }
    )
    found = downloads.most_installed("main", house.clock())
    assert [(one.name, one.count) for one in found] == [("tapes", 7), ("tapes-extra", 3)]
    assert "/project/tapes/" in text("/stats/")
    assert downloads.of_project("main", "tapes", house.clock()).total == 7
    rule(house, "deny", "tapes")
    assert [one.name for one in downloads.most_installed("main", house.clock())] == ["tapes-extra"]
    assert "/project/tapes/" not in text("/stats/")


def test_past_states_show_private_and_public_projects_together(house: Resources, source: Upstream) -> None:
    from tests.infra.accounts import make_user

    from packhouse.services import journal

    make_user()
    press(house).wheel("ours", "1.0")
    before = journal.last_serial()
    get("/project/tapes/?ask")
    after = journal.last_serial()
    source.add("tapes", UpFile("tapes-9.0.tar.gz", b"nine"))
    press(house).wheel("ours", "2.0")
    assert isinstance(house.clock, TickingClock)
    house.clock.move(days=1)
    get("/project/tapes/?ask")

    def names(path: str) -> list[str]:
        return [one["name"] for one in json.loads(get(path, "application/vnd.pypi.simple.v1+json").content)["projects"]]

    def files(path: str) -> list[str]:
        page = json.loads(get(path, "application/vnd.pypi.simple.v1+json").content)
        return [one["filename"] for one in page["files"]]

    assert names(f"/@serial-{before}/simple/") == ["ours"]
    assert names(f"/@serial-{after}/simple/") == names("/simple/") == ["ours", "tapes"]
    assert files(f"/@serial-{after}/simple/ours/") == ["ours-1.0-py3-none-any.whl"]
    assert files(f"/@serial-{after}/simple/tapes/") == ["tapes-1.0-py3-none-any.whl", "tapes-77.3.tar.gz"]
    assert files("/simple/tapes/") == ["tapes-9.0.tar.gz"]
    told = json.loads(get(f"/@serial-{after}/pypi/tapes/json").content)
    assert told["info"]["version"] == "77.3"


README = "# Reels\n\n<script>alert(1)</script> and **words**"
CORE = f"""Metadata-Version: 2.1
Name: reels
Version: 1.0
Summary: Magnetic reels for everybody
Home-page: https://reels.example/
Requires-Dist: tapes>=1
Description-Content-Type: text/markdown

{README}""".encode()


def test_what_a_release_says_of_itself_comes_when_somebody_asks_for_it_by_a_link(
    house: Resources, source: Upstream
) -> None:
    """Once, and only then; a README is text, whatever is in it."""
    source.add("reels", UpFile("reels-1.0-py3-none-any.whl", b"reels", metadata=CORE, upload_time=OLD))
    get("/simple/reels/")
    link = 'href="/project/reels/?ask"'
    for _ in range(2):
        said = text("/project/reels/")
        assert link in said
        assert "for everybody" not in said
    assert source.paths("/files/") == []
    for _ in range(2):
        assert get("/project/reels/?ask")["Location"] == "/project/reels/"
    assert source.paths("/files/") == ["/files/reels/reels-1.0-py3-none-any.whl.metadata"]
    said = text("/project/reels/")
    assert '<p class="lead" dir="auto">Magnetic reels for everybody</p>' in said
    assert "&lt;script&gt;alert(1)&lt;/script&gt; and **words**" in said
    assert "<script>alert" not in said
    assert "https://reels.example/" in said
    assert 'id="dependencies"' in said
    assert link not in said
    assert "for everybody" in text("/project/reels/1.0/")


@pytest.mark.parametrize("metadata", [b"", b"Name: other\n", b"\xff\x00", b"x" * 600_000])
def test_metadata_that_say_nothing_to_people_leave_the_page_as_it_was(
    house: Resources, source: Upstream, metadata: bytes
) -> None:
    source.add("reels", UpFile("reels-1.0-py3-none-any.whl", b"reels", metadata=metadata, upload_time=OLD))
    get("/project/reels/?ask")
    assert get("/project/reels/").status_code == 200


def test_metadata_with_another_digest_are_not_shown(house: Resources, source: Upstream) -> None:
    source.add(
        "reels", UpFile("reels-1.0-py3-none-any.whl", b"reels", metadata=CORE, metadata_says="0" * 64, upload_time=OLD)
    )
    assert get("/project/reels/?ask")["Location"] == "/project/reels/"
    assert "for everybody" not in text("/project/reels/")
