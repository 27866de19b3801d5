# SPDX-License-Identifier: Apache-2.0
"""Past states through HTTP, with the edge, with the origin alone and behind nginx (DESIGN: time; hostile-242)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from urllib.parse import urljoin, urlsplit

import pytest
from tests.http.client import V1_HTML, V1_JSON, Answer, Site, basic, fresh, sha256, wheel


def state(site: Site, name: str, index: str = "") -> int:
    """The serial of a project's page now."""
    return int(site.ask(f"{index}/simple/{name}/", accept=V1_JSON)["x-pypi-last-serial"])


def filenames(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.text
    return [file["filename"] for file in answer.json()["files"]]


def versions(site: Site, name: str) -> tuple[int, int]:
    """Publish 1.0, then 2.0, and delete 1.0: the serials after each of the first two."""
    site.publish(wheel(name))
    first = state(site, name)
    site.publish(wheel(name, "2.0"))
    second = state(site, name)
    site.must("delete", f"{name}==1.0", "--yes")
    return first, second


def test_a_past_state_is_a_whole_index_whose_links_stay_in_it(site: Site):
    name = fresh("once")
    first, second = versions(site, name)
    for serial, count in ((first, 1), (second, 2)):
        path = f"/@serial-{serial}/simple/{name}/"
        page = site.ask(path, accept=V1_JSON)
        assert len(filenames(page)) == count
        assert page["x-pypi-last-serial"] == str(serial)
        for file in page.json()["files"]:
            link = urlsplit(urljoin(f"{site.server.url}{path}", file["url"])).path
            assert link.startswith(f"/@serial-{serial}/files/")
            got = site.ask(link)
            assert got.status == 200
            assert hashlib.sha256(got.body).hexdigest() == file["hashes"]["sha256"]
            assert site.ask(f"{link}.metadata").status == 200
            assert site.ask(link, range="bytes=0-9").status == 206
    assert len(filenames(site.ask(f"/simple/{name}/", accept=V1_JSON))) == 1
    gone = site.ask(f"/@serial-{first}/simple/{name}/", accept=V1_JSON).json()["files"][0]
    assert site.ask(f"/files/{gone['hashes']['sha256']}/{gone['filename']}").status == 404


def test_a_past_state_is_kept_for_a_day_with_a_tag_and_is_never_immutable(site: Site):
    name = fresh("kept")
    first, _ = versions(site, name)
    paths = [f"/@serial-{first}/simple/{name}/", f"/@serial-{first}/simple/", f"/@serial-{first}/pypi/{name}/json"]
    file = site.ask(paths[0], accept=V1_JSON).json()["files"][0]
    paths.append(f"/@serial-{first}/files/{file['hashes']['sha256']}/{file['filename']}")
    for path in paths:
        answer = site.ask(path, accept=V1_HTML)
        assert answer.status == 200, path
        assert answer["cache-control"] == "max-age=86400"
        assert answer["etag"].startswith('"')
        again = site.ask(path, accept=V1_HTML, if_none_match=answer["etag"])
        assert (again.status, again.body) == (304, b"")
        assert site.ask(path, "HEAD", accept=V1_HTML)["etag"] == answer["etag"]
        assert site.ask(path, accept=V1_HTML).body == answer.body


def test_moments_by_time_and_what_is_not_over(site: Site):
    name = fresh("timed")
    site.publish(wheel(name))
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    site.publish(wheel(name, "2.0"))
    then = site.ask(f"/@{moment}/simple/{name}/", accept=V1_JSON)
    assert len(filenames(then)) == 1
    assert then["cache-control"] == "max-age=86400"  # the journal has gone on: nothing can be added any more
    now, today = site.ask(f"/simple/{name}/", accept=V1_JSON), f"{datetime.now(UTC):%Y-%m-%d}"
    same = site.ask(f"/@{today}/simple/{name}/", accept=V1_JSON)
    assert (same.body, same["etag"], same["cache-control"]) == (now.body, now["etag"], now["cache-control"])
    file = now.json()["files"][0]
    path = f"/files/{file['hashes']['sha256']}/{file['filename']}"
    assert site.ask(f"/@{today}{path}")["cache-control"] == site.ask(path)["cache-control"]
    assert site.ask(f"/@{today}/pypi/{name}/json").body == site.ask(f"/pypi/{name}/json").body


NONSENSE = ["1e309", "0", "epoch", "1970-01-01", "9999-12-31", "serial-0", "serial-999999999999", "-1", "2026-02-30"]
NONSENSE += ["2026-11-01T12:00:00", "nan", "%00", "%0a", "serial-1%2f..", "x" * 300, "%ff", "serial-%D9%A1"]


@pytest.mark.parametrize("moment", NONSENSE)
def test_hostile_242_what_is_no_moment_is_400(site: Site, moment: str):
    for path in ("simple/", "simple/x/", f"files/{'0' * 64}/x-1.0-py3-none-any.whl", "pypi/x/json"):
        answer = site.ask(f"/@{moment}/{path}")
        assert answer.status in ({400, 404} if "%" in moment else {400}), (path, answer.text)
        assert answer["cache-control"] == "no-store"


def test_hostile_242_tomorrow_is_400_and_says_so(site: Site):
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
    answer = site.ask(f"/@{tomorrow}/simple/")
    assert (answer.status, answer.type) == (400, "text/plain")
    assert "is in the future" in answer.text


def test_other_spellings_unknown_names_and_other_methods(site: Site):
    name = fresh("spelled")
    first, _ = versions(site, name)
    root = f"/@serial-{first}"
    assert site.ask(f"{root}/simple/{name.upper()}/").leads_to() == f"{root}/simple/{name}/"
    assert site.ask(f"{root}/simple/{name}").leads_to() == f"{root}/simple/{name}/"
    assert site.ask(f"{root}/simple").leads_to() == f"{root}/simple/"
    for path in ("simple/no-such/", "pypi/no-such/json", f"pypi/{name}/2.0/json", "legacy/", "", "nothing"):
        assert site.ask(f"{root}/{path}").status == 404, path
    assert site.ask(f"{root}/simple/{name}/", accept="image/png").status == 406
    assert site.ask(f"{root}/simple/{name}/", "OPTIONS").status == 204
    assert site.ask(f"{root}/simple/{name}/", "DELETE").status == 405
    assert site.upload(wheel(fresh()), path=f"{root}/legacy/").status == 405
    assert f"@serial-{first}/packages/" in site.ask(f"{root}/pypi/{name}/json").text


def test_a_closed_index_is_closed_in_its_past_too(site: Site):
    index, name = fresh("past"), fresh("hidden")
    site.must("index", "create", index)
    site.publish(wheel(name), path=f"/index/{index}/legacy/")
    serial = state(site, name, f"/index/{index}")
    root = f"/index/{index}/@serial-{serial}"
    file = site.ask(f"{root}/simple/{name}/", accept=V1_JSON).json()["files"][0]
    path = f"{root}/files/{file['hashes']['sha256']}/{file['filename']}"
    assert site.ask(path).status == 200
    site.must("index", "read", index, "closed")
    site.must("index", "grant", index, site.owner.name)
    for asked in (f"{root}/simple/", f"{root}/simple/{name}/", path, f"/index/{index}/@1e309/simple/", f"{root}/x"):
        assert site.ask(asked).status == 401, asked
        assert site.ask(asked, authorization=basic(site.stranger_token)).status == 403, asked
    for asked in (f"{root}/simple/", f"{root}/simple/{name}/", path):
        answer = site.ask(asked, authorization=basic(site.token))
        assert (answer.status, answer["cache-control"]) == (200, "private, max-age=86400")
        assert "authorization" in answer.vary


def test_purging_reaches_every_state_at_the_next_request(site: Site):
    name = fresh("purged")
    first, second = versions(site, name)
    site.ask(f"/simple/{name}/", accept=V1_JSON)  # now a page of the past is kept with this one's mark
    asked = [site.ask(f"/@serial-{second}/simple/{name}/", accept=V1_JSON) for _ in range(8)]
    assert len({(answer.status, answer.body, answer["etag"], answer["cache-control"]) for answer in asked}) == 1
    assert (
        len({tuple(sorted(key for key, _ in answer.pairs if key not in {"date", "x-request-id"})) for answer in asked})
        == 1
    )
    assert len(filenames(asked[0])) == 2
    file = site.ask(f"/@serial-{first}/simple/{name}/", accept=V1_JSON).json()["files"][0]
    paths = [f"/@serial-{serial}/files/{file['hashes']['sha256']}/{file['filename']}" for serial in (first, second)]
    assert [site.ask(path).status for path in paths] == [200, 200]
    site.must("purge", f"{name}==1.0", "--reason", "a secret in it", "--yes")
    assert [site.ask(path).status for path in paths] == [410, 410]
    assert [site.ask(f"{path}.metadata").status for path in paths] == [410, 410]
    assert filenames(site.ask(f"/@serial-{first}/simple/{name}/", accept=V1_JSON)) == []
    assert len(filenames(site.ask(f"/@serial-{second}/simple/{name}/", accept=V1_JSON))) == 1
    assert site.upload(wheel(name)).status == 400  # the filename stays taken
    site.must("gc", "--grace", "0")
    assert [site.ask(path).status for path in paths] == [410, 410]
    assert site.ask(f"/simple/{name}/", accept=V1_JSON).status == 200


def test_policy_is_told_alike_by_page_json_metadata_and_file_and_holds_at_once(site: Site):
    name, index = fresh("judged"), fresh("ruled")
    site.must("index", "create", index)
    root = f"/index/{index}"
    files = [site.publish(wheel(name, version), path=f"{root}/legacy/") for version in ("1.0", "2.0")]
    paths = [f"{root}/files/{sha256(data)}/{filename}" for filename, data in files]

    def told() -> list[bool]:
        """Of each file: whether it is served, the same wherever it is asked."""
        page = filenames(site.ask(f"{root}/simple/{name}/", accept=V1_JSON))
        html = site.ask(f"{root}/simple/{name}/", accept=V1_HTML).text
        said = site.ask(f"{root}/pypi/{name}/json")
        releases = said.json()["releases"] if said.status == 200 else {}
        answers = []
        for (filename, _), path, version in zip(files, paths, ("1.0", "2.0"), strict=True):
            statuses = {site.ask(path).status, site.ask(f"{path}.metadata").status, site.ask(path, "HEAD").status}
            shown = {filename in page, f">{filename}<" in html, version in releases, statuses == {200}}
            assert statuses in ({200}, {403})
            assert len(shown) == 1, (filename, page, releases, statuses)
            answers.append(shown.pop())
        return answers

    assert told() == [True, True]
    site.must("index", "rule", index, "deny", f"{name}>=2")
    assert told() == [True, False]
    refusal = site.ask(paths[1])
    assert refusal.type == "text/plain"
    assert f"The index '{index}' denies {name}==2.0 (its rule deny names {name}>=2)." in refusal.text
    site.must("index", "rule", index, "deny_mode", "warn")
    assert told() == [True, True]
    site.must("index", "rule", index, "minimum_age", "7d")
    assert told() == [False, False]
    assert "is too new until " in site.ask(paths[0], accept="application/json").json()["message"]
    site.must("index", "rule", index, "minimum_age_exempt", f"{name}==1.0")
    assert told() == [True, False]
    site.must("index", "rule", index, "minimum_age", "none")
    site.must("index", "rule", index, "allow", "nothing")
    assert told() == [False, False]
    site.must("index", "rule", index, "allow", "none")
    assert told() == [True, True]
    explained = site.must("explain", name, "--index", index)
    assert f"warning\t{files[1][0]}\tdeny\t" in explained


def test_layers_and_promotion_hold_on_the_next_request(site: Site):
    name, low, top = fresh("staged"), fresh("staging"), fresh("prod")
    site.must("index", "create", low)
    site.must("index", "create", top, "--layer", "own")
    file = site.publish(wheel(name), path=f"/index/{low}/legacy/")
    page, path = f"/index/{top}/simple/{name}/", f"/index/{top}/files/{sha256(file[1])}/{file[0]}"
    assert (site.ask(page).status, site.ask(path).status) == (404, 404)
    site.must("index", "layer", top, "add", f"index:{low}")
    assert (site.ask(page).status, site.ask(path).status) == (200, 200)
    site.must("index", "layer", top, "remove", f"index:{low}")
    assert (site.ask(page).status, site.ask(path).status) == (404, 404)
    said = site.must("promote", f"{name}==1.0", "--from", low, "--to", top, "--reason", "tested")
    assert (site.ask(page).status, site.ask(path).body) == (200, file[1])
    site.must(*said.splitlines()[-1].partition("packhouse ")[2].split())
    assert (site.ask(page).status, site.ask(path).status) == (404, 404)
