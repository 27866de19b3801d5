# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from tests.corpus import make_wheel
from tests.infra.server import Server, run_packhouse

pytestmark = pytest.mark.slow


def test_user_create_counts_as_verified(live: Server):
    person = live.make_user()
    again = live.command("user", "create", person.name, "--email", "x@example.org", "--password-stdin")
    assert again.returncode == 2


def test_token_create_prints_the_token_alone(live: Server):
    person = live.make_user()
    token = live.make_token(person, "--scope", "upload", "--project", "Some_Project", "--expires", "12h")
    assert token.startswith("pkh_u")
    assert len(token) == 43
    listed = live.must("token", "list", person.name)
    assert token not in listed
    assert "\tupload\t" in listed


def test_token_revoke_by_token_prefix_and_id(live: Server):
    person = live.make_user()
    for form in ("token", "prefix", "id"):
        token = live.make_token(person)
        number = live.must("token", "list", person.name).split("\t")[0]
        which = {"token": token, "prefix": token[:12], "id": number}[form]
        assert f"Revoked token {number}" in live.must("token", "revoke", which)
        assert live.command("token", "revoke", which).returncode == 2


@pytest.mark.parametrize("text", ["soon", "2027-13-01", "0d", "-1d", "1999-01-01"])
def test_expiry_that_makes_no_sense(live: Server, text: str):
    person = live.make_user()
    done = live.command("token", "create", person.name, "--name", "x", f"--expires={text}")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_index_create_show_grant(live: Server):
    person = live.make_user()
    live.must("index", "create", "team", "--read", "closed", "--layer", "own", "--layer", "index:main")
    live.must("index", "grant", "team", person.name)
    assert "team\tclosed" in live.must("index", "list")
    shown = live.must("index", "show", "team").splitlines()
    assert shown[:5] == ["name\tteam", "read\tclosed", "layer\town", "layer\tindex:main", f"reader\t{person.name}"]
    live.must("index", "grant", "team", person.name, "--end")
    live.must("index", "read", "team", "public")
    assert live.must("index", "show", "team").splitlines()[1:2] == ["read\tpublic"]


def test_commands_refuse_a_folder_that_is_none_of_ours(tmp_path: Path):
    for folder, words in ((tmp_path / "absent", "There is no folder"), (tmp_path, "holds no Packhouse data")):
        done = run_packhouse("index", "list", "--data", str(folder))
        assert done.returncode == 2
        assert words in done.stderr


def test_data_folder_from_the_environment(live: Server):
    done = run_packhouse("index", "list", extra={"PACKHOUSE_DATA": str(live.data)})
    assert "main\tpublic" in done.stdout


def test_token_rotate_prints_the_new_secret_alone(live: Server):
    person = live.make_user()
    old = live.make_token(person, "--from", "127.0.0.0/8")
    new = live.must("token", "rotate", old, "--grace", "0")
    assert (len(new), new != old) == (43, True)
    assert live.must("token", "list", person.name).split("\t")[1] == new[:9]
    assert live.command("token", "rotate", new, "--grace", "soon").returncode == 2


def test_token_revoke_many(live: Server):
    person = live.make_user()
    for _ in range(3):
        live.make_token(person)
    assert live.must("token", "revoke", "--of", person.name) == "Revoked 3 tokens."
    assert live.must("token", "list", person.name) == ""
    for wrong in ((), ("--all",), ("1", "--of", person.name)):
        assert live.command("token", "revoke", *wrong).returncode == 2


def test_invitations_and_guests(live: Server):
    person = live.make_user()
    link = live.must("invitation", "create", "--limit", "3", "--note", "Python 101", "--guest", "90d").strip()
    assert link.startswith("http")
    assert link.count("\n") == 0
    number, state, used, _, note = live.must("invitation", "list").splitlines()[0].split("\t")
    assert (state, used, note) == ("open", "0/3", "Python 101")
    live.must("invitation", "withdraw", number)
    assert "\twithdrawn\t" in live.must("invitation", "list")
    assert live.command("invitation", "withdraw", number).returncode == 2
    assert live.command("invitation", "create", "--expires", "never").returncode == 2
    live.must("guest", "until", person.name, "2099-12-31")
    assert f"{person.name}\t2100-01-01T00:00Z" in live.must("guest", "list")
    live.must("guest", "until", person.name, "never")
    assert person.name not in live.must("guest", "list")


def test_a_second_factor_is_reset_by_command_with_a_reason(live: Server) -> None:
    server = live
    person = server.make_user()
    assert server.command("user", "reset-two-factor", person.name, "--yes").returncode == 2  # no reason
    asked = server.command("user", "reset-two-factor", person.name, "--reason", "called back")
    assert "--yes" in asked.stderr
    done = server.must("user", "reset-two-factor", person.name, "--reason", "called back", "--yes")
    assert done.endswith(f"Took from {person.name}: nothing, there was none.")
    assert "The reason given: called back" in done  # without a mail server the mail is shown, too


def test_an_organization_from_the_terminal(live: Server):
    owner, other = live.make_user(), live.make_user()
    name = f"org-{owner.name[-8:]}"
    assert f"at /org/{name}/" in live.must("organization", "create", name, "--owner", owner.name, "--title", "A B")
    live.must("organization", "member", name, other.name, "--role", "manager")
    live.must("organization", "team", name, "core", "--add", other.name)
    token = live.must("token", "create", name, "--name", "ci")
    assert token.startswith("pkh_o")
    project = f"p-{owner.name[-8:]}"
    assert live.publish(token, *make_wheel(project, "1.0"))[0] == 200
    live.must("organization", "team", name, "core", "--project", project, "--role", "maintainer")
    shown = live.must("organization", "show", name).splitlines()
    assert sorted(shown) == sorted(
        [
            f"name\t{name}",
            "title\tA B",
            f"owner\t{owner.name}",
            f"manager\t{other.name}",
            f"team\tcore\tmember\t{other.name}",
            f"team\tcore\tmaintainer\t{project}",
            f"project\t{project}",
        ]
    )
    assert f"{name}\t2\t1\tA B" in live.must("organization", "list").splitlines()
    assert live.command("organization", "delete", name, "--yes").returncode == 2
    live.must("organization", "transfer", project, "--to", other.name)
    assert live.publish(token, *make_wheel(project, "1.1"))[0] == 403
    live.must("organization", "delete", name, "--yes")
    assert live.publish(token, *make_wheel(f"{project}-x", "1.0"))[0] == 401
    assert live.command("user", "create", name, "--email", "z@example.org", "--password-stdin").returncode == 2
