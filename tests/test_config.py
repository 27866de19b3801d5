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
        ("STORAGE", "s3://bucket"),
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
