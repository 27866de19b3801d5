# SPDX-License-Identifier: Apache-2.0
"""Yanking, project status and deletion, by command and read at once (standards Y1 to Y9, H7, H10, J10, J12, L8, U10;
checks 14, 35, 36; hostile-62, hostile-66)."""

from __future__ import annotations

import pytest
from tests.http.client import Site, fresh, sdist, wheel


def yanked(site: Site, name: str) -> dict[str, object]:
    return {file["filename"]: file["yanked"] for file in site.json(f"/simple/{name}/")["files"]}


def test_Y1_Y2_H7_J10_check_13_14_yank_one_file_and_take_it_back(site: Site):
    name = fresh()
    one, two = site.publish(wheel(name)), site.publish(sdist(name))
    site.must("yank", f"{name}==1.0", "--file", one[0])
    assert yanked(site, name) == {one[0]: True, two[0]: False}
    assert site.ask(f"/simple/{name}/").text.count('data-yanked=""') == 1
    site.must("unyank", f"{name}==1.0", "--file", one[0])
    assert yanked(site, name) == {one[0]: False, two[0]: False}
    assert "data-yanked" not in site.ask(f"/simple/{name}/").text


def test_Y1_H7_J10_a_reason_is_shown_and_escaped(site: Site):
    name = fresh()
    site.publish(wheel(name))
    site.publish(sdist(name))
    site.must("yank", f"{name}==1.0", "--reason", 'breaks "all" <b>&</b>')
    assert set(yanked(site, name).values()) == {'breaks "all" <b>&</b>'}
    assert "<b>" not in site.ask(f"/simple/{name}/").text
    assert site.ask(f"/simple/{name}/").text.count("data-yanked=") == 2


REASONS = [
    pytest.param("", True, "", id="empty"),
    pytest.param("   ", True, "", id="blank"),
    pytest.param('it\'s "bad"', 'it\'s "bad"', "it&#x27;s &quot;bad&quot;", id="quotes"),
    pytest.param("a\nb\r\nc\td", "a b c d", "a b c d", id="line-breaks"),
    pytest.param("壊れた ⚠ naïve", "壊れた ⚠ naïve", "壊れた ⚠ naïve", id="unicode"),
    pytest.param(
        '"><script>x</script>', '"><script>x</script>', "&quot;&gt;&lt;script&gt;x&lt;/script&gt;", id="markup"
    ),
    pytest.param("false", "false", "false", id="a-word-that-looks-like-no"),
    pytest.param("0", "0", "0", id="zero"),
    pytest.param("x" * 1000, "x" * 1000, "x" * 1000, id="long"),
]


@pytest.mark.parametrize(("reason", "in_json", "in_html"), REASONS)
def test_J10_H7_every_reason_in_both_formats(site: Site, reason: str, in_json: object, in_html: str):
    name = fresh()
    site.publish(wheel(name))
    site.must("yank", f"{name}==1.0", "--reason", reason)
    assert list(yanked(site, name).values()) == [in_json]
    assert f' data-yanked="{in_html}"' in site.ask(f"/simple/{name}/").text
    told = site.ask(f"/pypi/{name}/json").json()["urls"][0]
    assert (told["yanked"], told["yanked_reason"]) == (True, None if in_json is True else in_json)
    site.must("status", name, "archived", "--reason", reason)
    status = {"status": "archived"} if in_json is True else {"status": "archived", "reason": in_json}
    assert site.json(f"/simple/{name}/")["project-status"] == status
    marker = f'<meta name="pypi:project-status-reason" content="{in_html}">'
    assert (marker in site.ask(f"/simple/{name}/").text) is (in_json is not True)


def test_U10_a_project_whose_files_are_all_deleted_is_known_and_empty(site: Site):
    name = fresh()
    site.publish(wheel(name))
    site.must("delete", f"{name}==1.0", "--yes")
    page = site.json(f"/simple/{name}/")
    assert (page["files"], page["versions"]) == ([], [])
    assert "<a " not in site.ask(f"/simple/{name}/").text
    assert name in [p["name"] for p in site.json("/simple/")["projects"]]
    assert site.ask(f"/pypi/{name}/json").status == 404


def test_Y9_no_other_status_can_be_set(site: Site):
    name = fresh()
    site.publish(wheel(name))
    with pytest.raises(AssertionError, match="abandoned"):
        site.must("status", name, "abandoned")
    assert site.json(f"/simple/{name}/")["project-status"] == {"status": "active"}


def test_read_apis_3_4_feeds_are_news_whatever_became_of_it(site: Site):
    name = fresh()
    site.publish(wheel(name))
    site.must("yank", f"{name}==1.0")
    site.must("status", name, "quarantined")
    assert f"{name} 1.0" in site.ask("/rss/updates.xml").text
    assert name not in site.ask("/", accept="text/html").text


def test_Y4_D5_yanked_files_stay_downloadable(site: Site):
    name = fresh()
    file = site.publish(wheel(name))
    path = site.file_path(name, file[0])
    site.must("yank", f"{name}==1.0")
    assert site.ask(path).body == file[1]
    assert site.ask(path + ".metadata").status == 200
    assert site.ask(path + ".metadata", "HEAD").status == 200


@pytest.mark.parametrize(("status", "taken"), [("archived", False), ("deprecated", True), ("active", True)])
def test_Y5_Y6_Y8_H10_J12_check_13_35_status_is_told_and_kept(site: Site, status: str, taken: bool):
    name = fresh()
    file = site.publish(wheel(name))
    path = site.file_path(name, file[0])
    site.must("status", name, status, "--reason", "we <moved>")
    page = site.ask(f"/simple/{name}/").text
    assert f'<meta name="pypi:project-status" content="{status}">' in page
    assert '<meta name="pypi:project-status-reason" content="we &lt;moved&gt;">' in page
    assert site.json(f"/simple/{name}/")["project-status"] == {"status": status, "reason": "we <moved>"}
    assert site.ask(path).status == 200
    answer = site.upload(wheel(name, "2.0"))
    assert answer.status == (200 if taken else 403)
    assert taken or status in answer.text


def test_Y7_U10_check_13_35_hostile_66_quarantine_offers_nothing(site: Site):
    name = fresh()
    file = site.publish(wheel(name))
    path = site.file_path(name, file[0])
    assert site.ask(path).status == 200
    site.must("status", name, "quarantined", "--reason", "malware")
    page = site.json(f"/simple/{name}/")
    assert (page["files"], page["project-status"]["status"]) == ([], "quarantined")
    assert "<a " not in site.ask(f"/simple/{name}/").text
    assert {site.ask(spelling).status for spelling in (path, f"{path}.metadata") for _ in range(4)} <= {403, 404}
    assert name not in [p["name"] for p in site.json("/simple/")["projects"]]
    assert site.ask(f"/pypi/{name}/json").status == 404
    assert site.upload(wheel(name, "2.0")).status == 403
    site.must("status", name, "active")
    assert site.ask(path).body == file[1]
    assert name in [p["name"] for p in site.json("/simple/")["projects"]]


def test_L8_E11_check_13_36_hostile_62_a_deleted_filename_is_never_free_again(site: Site):
    name = fresh()
    kept, file = site.publish(wheel(name, "1.0")), site.publish(wheel(name, "2.0"))
    path = site.file_path(name, file[0])
    assert site.ask(path).status == 200
    site.must("delete", f"{name}==2.0", "--file", file[0], "--yes")
    assert {site.ask(path).status for _ in range(6)} == {404}
    assert list(yanked(site, name)) == [kept[0]]
    for again in (file, wheel(name, "2.0", description="other")):
        answer = site.upload(again)
        assert answer.status == 400
        assert answer.text.startswith("This filename was previously used")


def test_a_deleted_project_is_gone_at_once_and_its_name_is_kept(site: Site):
    name = fresh()
    file = site.publish(wheel(name))
    path = site.file_path(name, file[0])
    assert site.ask(f"/simple/{name}/").status == 200
    site.must("delete", name, "--yes")
    for gone in (f"/simple/{name}/", path, f"{path}.metadata", f"/pypi/{name}/json", f"/project/{name}/"):
        assert {site.ask(gone).status for _ in range(4)} == {404}, gone
    assert name not in [p["name"] for p in site.json("/simple/")["projects"]]
    assert site.upload(file).status in {400, 403}
