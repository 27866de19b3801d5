# SPDX-License-Identifier: Apache-2.0
"""Every rule of an index through HTTP (decisions 4 and 10 of the upload contract): refused in `strict`, taken in
`private`, with a warning where that is said, and the rule alone switched on an index of the other profile."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.http.client import UV_ERRORS, Answer, File, Site, fresh, sdist, wheel

from packhouse.domain.names import normalize
from packhouse.storage.sqlite import library

NOISE = secrets.token_bytes(30_000)
"""Bytes that no compression shrinks."""


@dataclass(frozen=True)
class Case:
    """A rule: what it is in `strict` and in `private`, a file it is about, and how that one is refused."""

    rule: str
    strict: str
    private: str
    make: Callable[[str], File]
    slug: str
    status: int = 400
    warned: bool = True
    names: tuple[str, ...] = ()
    in_strict: bool = True
    """Whether the profile itself refuses the file."""

    def __str__(self) -> str:
        return self.rule


def with_line(line: str) -> Callable[[str], File]:
    return lambda name: wheel(name, lines=[line])


CASES = [
    Case("allow_local_versions", "no", "yes", lambda name: wheel(name, "1.0+cpu"), "local-version", warned=False),
    Case(
        "allow_private_classifiers",
        "no",
        "yes",
        with_line("Classifier: Private :: Do Not Upload"),
        "classifier-private",
        warned=False,
    ),
    Case("allow_unknown_classifiers", "no", "yes", with_line("Classifier: Foo :: Bar"), "classifier-unknown"),
    Case(
        "allow_deprecated_classifiers",
        "no",
        "yes",
        with_line("Classifier: Natural Language :: Ukranian"),
        "classifier-deprecated",
    ),
    Case("allow_odd_emails", "no", "yes", with_line("Author-email: nobody"), "email-invalid"),
    Case("allow_odd_urls", "no", "yes", with_line("Home-page: ftp://x.example"), "url-invalid"),
    Case("allow_odd_urls", "no", "yes", with_line("Project-URL: nolabel"), "project-url-invalid"),
    Case(
        "allow_broken_descriptions",
        "no",
        "yes",
        lambda name: wheel(name, description=".. nonsense::\n", lines=["Description-Content-Type: text/x-rst"]),
        "description-not-rendered",
    ),
    Case(
        "allow_unlisted_platforms",
        "no",
        "yes",
        lambda name: wheel(name, tags="cp311-cp311-linux_x86_64"),
        "platform-unlisted",
    ),
    Case(
        "allow_direct_urls", "no", "yes", with_line("Requires-Dist: a @ https://x.example/a-1.0.tar.gz"), "direct-url"
    ),
    Case(
        "allow_startup_code",
        "no",
        "yes",
        lambda name: wheel(name, files={"sitecustomize.py": b""}),
        "startup-code",
        in_strict=False,
    ),
    Case(
        "max_file_size",
        "20kB",
        "none",
        lambda name: wheel(name, files={"noise.bin": NOISE}),
        "file-too-large",
        413,
        warned=False,
        in_strict=False,
    ),
    Case(
        "max_project_size",
        "20kB",
        "none",
        lambda name: wheel(name, files={"noise.bin": NOISE}),
        "project-too-large",
        413,
        warned=False,
        in_strict=False,
    ),
    Case(
        "largest_unpacked",
        "1MB",
        "8GiB",
        lambda name: wheel(name, files={"zeros.bin": bytes(1_200_000)}),
        "archive-bomb",
        warned=False,
        in_strict=False,
    ),
    Case("longest_name", "64", "128", wheel, "name-too-long", warned=False, names=tuple(c * 65 for c in "abcd")),
    Case(
        "allow_stdlib_names",
        "no",
        "yes",
        wheel,
        "name-stdlib",
        warned=False,
        names=("xml", "os.path", "email-mime-text", "asyncore"),
    ),
    Case(
        "prohibited_names",
        "requirements-txt,rrequirements-txt,taken-one,taken-two",
        "none",
        wheel,
        "name-prohibited",
        warned=False,
        names=("requirements.txt", "Taken.One", "rrequirements.txt", "taken_two"),
    ),
]
CASE = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}-{case.slug}")


def make_index(site: Site, profile: str, **rules: str) -> str:
    """An index whose rules ask nothing of the person that tests can't have, unless told; returns its name."""
    name = fresh("index")
    site.must("index", "create", name)
    asked = {"profile": profile, "needs_two_factor": "no", "new_projects_per_hour": "none"}
    for key, value in (asked | {"new_projects_per_hour_from_address": "none"} | rules).items():
        site.must("index", "rule", name, key, value)
    return name


@pytest.fixture(scope="session")
def strict(site: Site) -> str:
    return make_index(site, "strict")


@pytest.fixture(scope="session")
def private(site: Site) -> str:
    return make_index(site, "private")


def send(site: Site, index: str, file: File, **options: Any) -> Answer:
    return site.upload(file, path=f"/index/{index}/legacy/", accept=UV_ERRORS, **options)


def named(case: Case, place: int) -> str:
    return case.names[place] if case.names else fresh()


def refused(answer: Answer, case: Case) -> None:
    assert answer.status == case.status, answer.text
    assert case.slug in [error["reason"] for error in answer.json()["errors"]]


def taken(answer: Answer, case: Case) -> None:
    assert answer.status == 200, answer.text
    assert (case.slug in [warning["reason"] for warning in answer.json()["warnings"]]) == case.warned


@CASE
def test_decision_4_strict_refuses(site: Site, strict: str, case: Case):
    name = named(case, 0)
    answer = send(site, strict, case.make(name))
    if not case.in_strict:
        taken(answer, case)
        return
    refused(answer, case)
    assert site.ask(f"/index/{strict}/simple/{normalize(name)}/").status == 404


@CASE
def test_decision_4_private_takes_it_and_the_page_shows_the_warning(site: Site, case: Case):
    name = named(case, 0)
    answer = site.upload(case.make(name), accept=UV_ERRORS)
    taken(answer, case)
    page = site.ask(f"/project/{normalize(name)}/")
    assert page.status == 200
    for warning in answer.json()["warnings"]:
        assert (f'data-code="{warning["reason"]}"' in page.text) == (warning["reason"] == case.slug)


@CASE
def test_one_rule_alone_refuses_on_a_private_index(site: Site, case: Case):
    index = make_index(site, "private", **{case.rule: case.strict})
    refused(send(site, index, case.make(named(case, 1))), case)


@CASE
def test_one_rule_alone_takes_on_a_strict_index(site: Site, case: Case):
    index = make_index(site, "strict", **{case.rule: case.private})
    taken(send(site, index, case.make(named(case, 2))), case)


@CASE
def test_a_change_holds_on_the_next_upload(site: Site, private: str, case: Case):
    site.must("index", "rule", private, case.rule, case.strict)
    name = named(case, 3)
    refused(send(site, private, case.make(name)), case)
    site.must("index", "rule", private, case.rule, "default")
    taken(send(site, private, case.make(name)), case)


def test_hostile_56_D11_lookalikes(site: Site, strict: str):
    name = f"solo-{secrets.token_hex(4)}"
    twin = name.replace("l", "1").replace("o", "0")
    site.publish(wheel(name))
    answer = send(site, strict, wheel(twin))
    assert (answer.status, answer.json()["reason"]) == (400, "name-lookalike")
    assert name in answer.json()["message"]
    index = make_index(site, "private", allow_lookalike_names="no")
    assert send(site, index, wheel(twin)).json()["reason"] == "name-lookalike"
    answer = site.upload(wheel(twin), accept=UV_ERRORS)
    assert answer.status == 200
    assert "name-lookalike" in [warning["reason"] for warning in answer.json()["warnings"]]
    other = make_index(site, "strict", allow_lookalike_names="yes")
    assert send(site, other, wheel(name.replace("o", "0"))).status == 200


@pytest.mark.parametrize("name", ["simple", "admin", "legacy", "files", "search"])
def test_hostile_57_names_never_collide_with_routes(site: Site, name: str):
    site.publish(wheel(name))
    assert site.entry(name, f"{name}-1.0-py3-none-any.whl")
    assert name in site.ask(f"/project/{name}/").text
    assert site.ask("/simple/", accept="text/html").status == 200


def change(site: Site, statement: str, *values: Any) -> None:
    """Change what only time or a person could, beside the server."""
    with library.connect(Path(site.server.data) / "catalogue.db", timeout=30) as connection:
        assert connection.execute(statement, values).rowcount == 1
    connection.close()


def test_hostile_65_E12_a_release_closes_after_so_many_days(site: Site, strict: str, private: str):
    for index, days, status in ((strict, 15, 400), (strict, 13, 200), (private, 4000, 200)):
        name = fresh()
        assert send(site, index, wheel(name)).status == 200
        ago = f"-{days} days"
        change(
            site,
            "UPDATE catalogue_release SET created_at = datetime(created_at, ?) WHERE project_id ="
            " (SELECT id FROM catalogue_project WHERE name = ?)",
            ago,
            name,
        )
        answer = send(site, index, sdist(name))
        assert answer.status == status, answer.text
        if status == 400:
            assert answer.json()["reason"] == "release-closed"
            assert send(site, index, wheel(name)).status == 200, "the same file again (E9 wins)"
            site.must("index", "rule", index, "closes_after_days", "none")
            assert send(site, index, sdist(name)).status == 200
            site.must("index", "rule", index, "closes_after_days", "default")


def test_D3_an_unverified_address(site: Site):
    strict, private = make_index(site, "strict"), make_index(site, "private")
    person = site.make_user()
    token = site.make_token(person)
    change(site, "UPDATE account_emailaddress SET verified = ? WHERE email = ?", False, person.email)
    answer = send(site, strict, wheel(fresh()), token=token)
    assert (answer.status, answer.json()["reason"]) == (403, "email-unverified")
    assert send(site, private, wheel(fresh()), token=token).status == 200
    site.must("index", "rule", private, "needs_verified_email", "yes")
    assert send(site, private, wheel(fresh()), token=token).status == 403
    site.must("index", "rule", strict, "needs_verified_email", "no")
    assert send(site, strict, wheel(fresh()), token=token).status == 200


def test_D4_no_second_factor(site: Site):
    strict = make_index(site, "strict", needs_two_factor="default")
    private = make_index(site, "private")
    person = site.make_user()
    token = site.make_token(person)
    answer = send(site, strict, wheel(fresh()), token=token)
    assert (answer.status, answer.json()["reason"]) == (403, "two-factor-missing")
    assert send(site, private, wheel(fresh()), token=token).status == 200
    site.must("index", "rule", private, "needs_two_factor", "yes")
    assert send(site, private, wheel(fresh()), token=token).status == 403
    change(
        site,
        "INSERT INTO mfa_authenticator (user_id, type, data, created_at) SELECT id, 'totp', '{}', '2026-01-01 00:00:00'"
        " FROM catalogue_user WHERE username = ?",
        person.name,
    )
    for index in (strict, private):
        assert send(site, index, wheel(fresh()), token=token).status == 200


def too_many(answer: Answer, slug: str, most: int) -> None:
    assert (answer.status, answer.json()["reason"]) == (429, slug)
    assert 0 < int(answer["retry-after"]) <= most


def test_D5_hostile_272_new_projects_of_one_person(site: Site):
    index = make_index(site, "strict", new_projects_per_hour="default")
    person = site.make_user()
    token = site.make_token(person)
    last = fresh()
    for name in [*(fresh() for _ in range(19)), last]:
        assert send(site, index, wheel(name), token=token).status == 200
    answer = send(site, index, wheel(fresh()), token=token)
    too_many(answer, "projects-too-many", 3600)
    assert answer.json()["message"].startswith("Too many new projects created")
    assert send(site, index, wheel(last, "2.0"), token=token).status == 200
    assert send(site, index, wheel(fresh())).status == 200, "other people are not affected"
    assert site.upload(wheel(fresh()), token=token).status == 200, "nothing is counted on a private index"


def test_D5_hostile_272_new_projects_from_one_address(site: Site):
    index = make_index(site, "private", new_projects_per_hour_from_address="3")
    tokens = [site.make_token(site.make_user()) for _ in range(4)]
    answers = [send(site, index, wheel(fresh()), token=token) for token in tokens]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    too_many(answers[-1], "projects-too-many", 3600)


def test_hostile_34_files_with_one_token(site: Site):
    index = make_index(site, "private", uploads_per_minute="3")
    token = site.make_token(site.make_user())
    name = fresh()
    answers = [send(site, index, wheel(name, f"{n}.0"), token=token) for n in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    too_many(answers[-1], "uploads-too-many", 60)
    assert send(site, index, wheel(fresh())).status == 200, "other people are not affected"


def publish_many(site: Site, projects: int) -> list[int]:
    token = site.make_token(site.make_user())
    names = [fresh() for _ in range(projects)]
    return [site.upload(file, token=token).status for name in names for file in (wheel(name), sdist(name))]


def test_decision_10_one_script_is_not_slowed_down_in_private(site: Site):
    assert set(publish_many(site, 60)) == {200}


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_decision_10_two_thousand_files_of_a_thousand_projects(site: Site):
    assert publish_many(site, 1000) == [200] * 2000


def test_every_rule_can_be_set_and_is_shown_with_where_it_comes_from(site: Site):
    index = fresh("index")
    site.must("index", "create", index)
    before = site.must("index", "show", index)
    assert "profile\tprivate (the default)" in before
    assert "rule\tallow_local_versions = yes\tprofile private" in before
    site.must("index", "rule", index, "profile", "strict")
    for case in CASES:
        assert site.must("index", "rule", index, case.rule, case.private).startswith(
            f"{case.rule} of the index {index} is"
        )
    after = site.must("index", "show", index)
    assert "profile\tstrict\n" in after
    assert "rule\tallow_local_versions = yes\tset on this index" in after
    assert "rule\tneeds_two_factor = yes\tprofile strict" in after
    for wrong in (("nonsense", "1"), ("images", "maybe"), ("profile", "lax")):
        with pytest.raises(AssertionError, match=r"PackhouseError.*xpected"):
            site.must("index", "rule", index, *wrong)
