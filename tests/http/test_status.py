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
