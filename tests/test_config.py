# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from packhouse.config import load
from packhouse.errors import PackhouseError


def test_the_environment_wins_over_the_file_and_an_option_over_both(tmp_path: Path):
    (tmp_path / "packhouse.toml").write_text('port = 1\nworkers = 2\nlog_format = "json"\n', encoding="utf-8")
    settings = load({"PACKHOUSE_PORT": "3", "PACKHOUSE_WORKERS": "4"}, data=tmp_path, workers=5)
    assert (settings.port, settings.workers, settings.log_format) == (3, 5, "json")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "65536"),
        ("PORT", "http"),
        ("WORKERS", "0"),
        ("MAX_FILE_SIZE", "-1"),
        ("REGISTRATION", "everybody"),
        ("UPSTREAM", "ftp://index.example/"),
        ("BASE_URL", "packages.example"),
        ("DATABASE", "mysql://db.example/x"),
        ("STORAGE", "s3://bucket/prefix?versionId=1"),
        ("STORAGE", "ftp://bucket"),
        ("STORAGE_COPIES", "-1"),
        ("STORAGE_REDIRECT", "1000000"),
        ("EMAIL", "mail.example"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, proxy.example"),
    ],
)
def test_a_value_that_can_not_be_understood_is_refused_by_name(tmp_path: Path, name: str, value: str):
    with pytest.raises(PackhouseError, match=f"^PACKHOUSE_{name} is '.*', expected .*; correct it and start again.$"):
        load({f"PACKHOUSE_{name}": value}, data=tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BASE_URL", "https://packages.example/pip"),
        ("DATABASE", "postgresql://u:p@db.example/x?sslmode=require"),
        ("DATABASE", "sqlite:////srv/catalogue.db"),
        ("STORAGE", "file:///srv/blobs"),
        ("EMAIL", "smtp://u:p@mail.example:587"),
        ("UPSTREAM", "https://u:p@index.example/simple/"),
    ],
)
def test_values_are_kept_as_they_are(tmp_path: Path, name: str, value: str):
    assert getattr(load({f"PACKHOUSE_{name}": value}, data=tmp_path), name.lower()) == value


def test_a_password_is_not_repeated(tmp_path: Path):
    with pytest.raises(PackhouseError) as caught:
        load({"PACKHOUSE_DATABASE": "mysql://me:cAnArY@db.example/x"}, data=tmp_path)
    assert "cAnArY" not in caught.value.message


def test_trusted_proxies(tmp_path: Path):
    assert load({"PACKHOUSE_TRUSTED_PROXIES": "10.0.0.0/8, ::1"}, data=tmp_path).trusted_proxies == (
        "10.0.0.0/8",
        "::1",
    )


def test_an_unknown_setting_in_the_file(tmp_path: Path):
    (tmp_path / "packhouse.toml").write_text("colour = 1\n", encoding="utf-8")
    with pytest.raises(PackhouseError, match="'colour', which is no setting"):
        load({}, data=tmp_path)


def test_caches_to_purge(tmp_path: Path):
    settings = load({"PACKHOUSE_PURGE": "http://10.0.0.5:6081, https://api.example/service/7/purge"}, data=tmp_path)
    assert settings.purge == ("http://10.0.0.5:6081", "https://api.example/service/7/purge")
    assert settings.kept_in_front == 60
    assert load({"PACKHOUSE_CDN_MAX_AGE": "600"}, data=tmp_path).kept_in_front == 0


@pytest.mark.parametrize("value", ["10.0.0.5:6081", "ftp://a", "http://", "http://user:secret@cache/"])
def test_what_is_no_cache(tmp_path: Path, value: str):
    with pytest.raises(PackhouseError, match="PACKHOUSE_PURGE is") as caught:
        load({"PACKHOUSE_PURGE": value}, data=tmp_path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("value", ["abc", "Fastly-Key: ", "Fastly-Key: abc\r\nX: 1", "Fästly: abc"])
def test_a_header_of_purges_is_one_header_and_not_shown(tmp_path: Path, value: str):
    with pytest.raises(PackhouseError, match=r"PACKHOUSE_PURGE_HEADER is '.hidden.', expected") as caught:
        load({"PACKHOUSE_PURGE_HEADER": value}, data=tmp_path)
    assert "abc" not in str(caught.value)
    given = load({"PACKHOUSE_PURGE_HEADER": "Fastly-Key: abc def"}, data=tmp_path)
    assert given.purge_header == "Fastly-Key: abc def"
