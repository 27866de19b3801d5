# SPDX-License-Identifier: Apache-2.0
"""What people and programs do to one thing at the same time (hostile-256 to hostile-266; decision 12 of freshness)."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.http.client import V1_JSON, Site, fresh, wheel
from tests.http.conftest import PROJECT_LIMIT
from tests.http.crowds import SERVERS, Visitor, at_once, half_sent
from tests.infra.server import Person

from packhouse.storage import sqlite

pytestmark = pytest.mark.parametrize("site", SERVERS, indirect=True)


def filenames(site: Site, name: str) -> list[str]:
    """The files a project's page lists; none when it is not known."""
    answer = site.ask(f"/simple/{name}/", accept=V1_JSON)
    return [file["filename"] for file in answer.json()["files"]] if answer.status == 200 else []


def test_hostile_256_a_file_deleted_during_its_download(site: Site):
    name = fresh()
    filename, data = site.publish(wheel(name, files={"x": os.urandom(2_500_000)}))
    path = site.file_path(name, filename)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect(site.address)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        read = connection.recv(1000)
        site.must("delete", f"{name}==1.0", "--file", filename, "--yes")
        site.must("gc")
        assert filenames(site, name) == []
        while chunk := connection.recv(65536):
            read += chunk
    head, _, body = read.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert hashlib.sha256(body).hexdigest() == hashlib.sha256(data).hexdigest()


def test_hostile_257_collecting_beside_uploads_and_their_repetition_takes_nothing(site: Site):
    name, done = fresh(), threading.Event()

    def collect() -> None:
        while not done.is_set():
            site.must("gc")

    files = [wheel(name, f"1.{number}") for number in range(10)]
    with ThreadPoolExecutor(1) as pool:
        collecting = pool.submit(collect)
        try:
            answers = at_once([lambda file=file: site.upload(file) for file in files * 2])  # type: ignore[misc]
        finally:
            done.set()
        collecting.result()
    assert Counter(answer.status for answer in answers) == {200: 20}
    for filename, data in files:
        assert site.ask(site.file_path(name, filename)).body == data


def revoke(site: Site, _name: str, token: str) -> None:
    site.must("token", "revoke", token)


def quarantine(site: Site, name: str, _token: str) -> None:
    site.must("status", name, "quarantined")


def archive(site: Site, name: str, _token: str) -> None:
    site.must("status", name, "archived")


@pytest.mark.parametrize(
    ("change", "status"), [(revoke, {401, 403}), (quarantine, {403, 409, 400}), (archive, {403, 409, 400})]
)
def test_hostile_258_what_ends_the_right_to_publish_in_the_middle_of_an_upload(
    site: Site, change: Callable[[Site, str, str], None], status: set[int]
):
    name, token = fresh(), site.make_token(site.owner)
    site.publish(wheel(name, "1"))
    late = wheel(name, "2", files={"x": os.urandom(400_000)})
    with half_sent(site, late, token) as finish:
        time.sleep(0.3)
        change(site, name, token)
        assert finish() in status
    site.must("status", name, "active")
    assert [file.split("-")[1] for file in filenames(site, name)] == ["1"]


def test_hostile_260_yanks_uploads_and_deletions_at_once_show_nothing_half(site: Site):
    name, done = fresh(), threading.Event()
    tags = ["cp311-abi3-any", "cp312-abi3-any", "cp313-abi3-any"]
    for version in ("1", "2", "3"):
        for tag in tags:
            site.publish(wheel(name, version, tags=tag))
    halves: list[object] = []

    def read() -> int:
        seen = 0
        while not done.is_set():
            page = site.json(f"/simple/{name}/")
            seen += 1
            files = [(file["filename"].split("-")[1], bool(file["yanked"])) for file in page["files"]]
            if sorted(page["versions"], key=float) != sorted({version for version, _ in files}, key=float):
                halves.append(page["versions"])
            counts = Counter(file for file in files if file[0] in {"1", "2", "3"})
            halves.extend(count for count in counts.items() if count[1] != len(tags))
        return seen

    def command() -> None:
        for _ in range(4):
            site.must("yank", f"{name}==1", "--reason", "broken")
            site.must("unyank", f"{name}==1")
        site.must("delete", f"{name}==2", "--yes")
        site.must("yank", f"{name}==3")

    def publish() -> list[int]:
        return [site.upload(wheel(name, str(10 + number))).status for number in range(12)]

    with ThreadPoolExecutor(5) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        commands, uploads = pool.submit(command), pool.submit(publish)
        try:
            commands.result()
            assert uploads.result() == [200] * 12
        finally:
            done.set()
        assert all(reader.result() for reader in readers)
    assert halves == []
    page = site.json(f"/simple/{name}/")
    assert set(page["versions"]) == {"1", "3", *(str(10 + number) for number in range(12))}
    assert {file["filename"].split("-")[1] for file in page["files"] if file["yanked"]} == {"3"}


def invited(site: Site, name: str) -> tuple[Person, Visitor, str]:
    """A person who was invited to a project, their browser, and the number of the invitation."""
    site.publish(wheel(name))
    guest = site.make_user()
    owner, visitor = Visitor(site).sign_in(site.owner), Visitor(site).sign_in(guest)
    page = f"/manage/project/{name}/collaborators/"
    assert owner.send(page, action="invite", username=guest.name, role="maintainer").status == 302
    number = re.search(r'name="invitation" value="(\d+)"', visitor.ask("/manage/projects/").text)
    assert number
    return guest, visitor, number[1]


def test_hostile_258_a_role_taken_away_in_the_middle_of_an_upload(site: Site):
    name = fresh()
    guest, visitor, number = invited(site, name)
    assert visitor.send("/manage/projects/", invitation=number, answer="accept").status == 302
    token, owner = site.make_token(guest), Visitor(site).sign_in(site.owner)
    site.publish(wheel(name, "2"), token=token)
    with half_sent(site, wheel(name, "3", files={"x": os.urandom(400_000)}), token) as finish:
        time.sleep(0.3)
        assert owner.send(f"/manage/project/{name}/collaborators/", action="remove", username=guest.name).status == 302
        assert finish() == 403
    assert [file.split("-")[1] for file in filenames(site, name)] == ["1.0", "2"]


def test_hostile_262_one_invitation_answered_twice_at_once(site: Site):
    name = fresh()
    _, visitor, number = invited(site, name)
    forms = [visitor.filled("/manage/projects/", invitation=number, answer=a) for a in ("accept", "decline") * 3]
    answers = at_once([lambda form=form: visitor.ask("/manage/projects/", "POST", form) for form in forms])  # type: ignore[misc]
    counts = Counter(answer.status for answer in answers)
    assert counts[302] == 1
    assert set(counts) <= {302, 404, 409}


def test_hostile_263_a_form_sent_twice_at_once_counts_once(site: Site):
    person = site.make_user()
    visitor = Visitor(site).sign_in(person)
    label = fresh("label")
    form = visitor.filled("/manage/account/token/", name=label, scope="account", uses="upload read", expires="90")
    answers = at_once([lambda: visitor.ask("/manage/account/token/", "POST", form)] * 6)
    made = [answer for answer in answers if 'id="new-token"' in answer.text]
    assert len(made) == 1, Counter(answer.status for answer in answers)
    assert all(answer.status == 400 for answer in answers if answer not in made)


def test_hostile_263_a_deletion_sent_twice_at_once_is_one(site: Site):
    name = fresh()
    site.publish(wheel(name))
    visitor = Visitor(site).sign_in(site.owner)
    path = f"/manage/project/{name}/delete/"
    form = visitor.filled(path, name=name)
    answers = at_once([lambda: visitor.ask(path, "POST", form)] * 6)
    counts = Counter(answer.status for answer in answers)
    assert counts[302] == 1
    assert set(counts) <= {302, 400, 404, 409}  # 400: the page once more, saying that there is no such project
    assert filenames(site, name) == []


def test_hostile_264_readers_uploaders_copies_and_checkpoints_at_once(site: Site, tmp_path: Path):
    names = [fresh() for _ in range(8)]
    done, statuses = threading.Event(), Counter[int]()

    def read(number: int) -> None:
        connection = http.client.HTTPConnection(*site.address, timeout=30)
        paths = ["/simple/", f"/simple/{names[number % 8]}/", f"/project/{names[number % 8]}/"]
        while not done.is_set():
            with contextlib.suppress(http.client.RemoteDisconnected, ConnectionResetError):
                connection.request("GET", paths[number % 3])
                reply = connection.getresponse()
                reply.read()
                statuses[reply.status] += 1
            time.sleep(0.05)
        connection.close()

    def disturb() -> int:
        """Copy and fold the log, again and again, as a backup would."""
        rounds = 0
        catalogue = site.server.data / "catalogue.db"
        while not done.is_set() and catalogue.exists():
            connection = sqlite.library.connect(str(catalogue), timeout=30, isolation_level=None)
            connection.execute("VACUUM INTO ?", [str(tmp_path / f"{rounds}.db")])
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            connection.close()
            rounds += 1
        return rounds

    def publish(name: str) -> list[int]:
        return [site.upload(wheel(name, str(version))).status for version in range(4)]

    with ThreadPoolExecutor(64 + 8 + 1) as pool:
        others = [pool.submit(read, number) for number in range(64)]
        disturbing = pool.submit(disturb)
        try:
            uploads = [upload for found in pool.map(publish, names) for upload in found]
        finally:
            done.set()
        for other in others:
            other.result()
    assert uploads == [200] * 32
    assert set(statuses) <= {200, 404}, statuses
    assert statuses[200]
    if site.server.extra.get("PACKHOUSE_DATABASE", "").startswith("postgresql"):
        return
    assert disturbing.result() > 0


def test_hostile_265_ten_uploads_that_fit_alone_and_not_together(site: Site):
    name = fresh()
    files = [wheel(name, f"1.{number}", files={"x": os.urandom(900_000)}) for number in range(10)]
    answers = at_once([lambda file=file: site.upload(file) for file in files])  # type: ignore[misc]
    assert Counter(answer.status for answer in answers) == {200: 5, 413: 5}
    sizes = [file["size"] for file in site.json(f"/simple/{name}/")["files"]]
    assert 0 < sum(sizes) <= PROJECT_LIMIT


def test_hostile_266_a_limit_on_how_often_holds_in_a_race(site: Site):
    name, token = fresh(), site.make_token(site.owner)
    files = [wheel(name, str(number)) for number in range(12)]
    site.must("index", "rule", "main", "uploads_per_minute", "5")
    try:
        answers = at_once([lambda file=file: site.upload(file, token=token) for file in files])  # type: ignore[misc]
    finally:
        site.must("index", "rule", "main", "uploads_per_minute", "default")
    assert Counter(answer.status for answer in answers) == {200: 5, 429: 7}
    assert all(0 < int(answer["retry-after"]) <= 60 for answer in answers if answer.status == 429)
    assert len(filenames(site, name)) == 5


def publish_and_read(site: Site, uploads: int) -> list[str]:
    """Publish file after file and read each time over all of a dozen connections; what was not there."""
    name, stale = fresh(), []
    readers = [http.client.HTTPConnection(*site.address, timeout=30) for _ in range(12)]
    for number in range(uploads):
        filename, _ = site.publish(wheel(name, str(number)))
        for place, reader in enumerate(readers):
            path, accept = [(f"/simple/{name}/", V1_JSON), (f"/simple/{name}/", "text/html")][place % 2]
            try:
                reader.request("GET", path, headers={"Accept": accept})
                reply = reader.getresponse()
            except (http.client.RemoteDisconnected, ConnectionError):  # idle for too long
                reader.close()
                reader.request("GET", path, headers={"Accept": accept})
                reply = reader.getresponse()
            if filename.encode() not in reply.read():
                stale.append(f"{filename} by reader {place}")
    for reader in readers:
        reader.close()
    return stale


def test_what_is_published_is_read_next_by_every_process(site: Site):
    assert publish_and_read(site, 30) == []


@pytest.mark.full
def test_ten_thousand_pairs_of_publishing_and_reading(site: Site):
    assert publish_and_read(site, 840) == []
