"""Settings that are read from files."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.environment import boolean, comma_separated, database_config, env, integer, required, secret, site_url

NAME = "SOME_VARIABLE"
Environ = pytest.MonkeyPatch
URL = "postgresql://app@db:5432/app"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: Environ) -> Path:
    path = tmp_path / "secret"
    monkeypatch.delenv(NAME, raising=False)
    monkeypatch.setenv(f"{NAME}_FILE", str(path))
    return path


def test_value_is_read_from_the_file_without_white_space(file: Path) -> None:
    file.write_text("  $ecret,b \n")
    assert required(NAME, "the key") == secret(NAME) == "$ecret,b"
    assert comma_separated(NAME) == ["$ecret", "b"]


def test_file_works_for_each_reader(file: Path) -> None:
    file.write_text("1\n")
    assert (integer(NAME, 16), boolean(NAME), env.str(NAME)) == (1, True, "1")


def test_blank_variable_next_to_the_file_is_ignored(file: Path, monkeypatch: Environ) -> None:
    file.write_text("value")
    monkeypatch.setenv(NAME, "")
    assert secret(NAME) == "value"


def test_variable_and_file_are_ambiguous(file: Path, monkeypatch: Environ) -> None:
    file.write_text("value")
    monkeypatch.setenv(NAME, "other")
    with pytest.raises(ImproperlyConfigured, match="SOME_VARIABLE and SOME_VARIABLE_FILE are both set"):
        secret(NAME)


@pytest.mark.parametrize(
    ("content", "reason"),
    ((None, "cannot be read: No such file"), (b" \n", "is empty"), (b"\xff", "it is not UTF-8 text")),
    ids=("missing", "empty", "binary"),
)
def test_unusable_file_is_named(file: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ImproperlyConfigured, match=rf"SOME_VARIABLE_FILE names the file {file}.*{reason}"):
        secret(NAME)


@pytest.mark.parametrize("password", ("a:b/c@d?e#f%g", "$DATABASE_URL", "ü"))
def test_database_password_is_used_as_it_is(password: str) -> None:
    assert database_config(URL, pool_size=1, password=password)["PASSWORD"] == password


def test_second_database_password_is_rejected() -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL contains a password and DATABASE_PASSWORD is set"):
        database_config("postgresql://app:one@db:5432/app", pool_size=1, password="two")


@pytest.mark.parametrize("value", ("https://a.example", "https://a.example/", "https://a.example:8443"))
def test_site_url_is_an_origin(monkeypatch: Environ, value: str) -> None:
    monkeypatch.setenv("LOCAL_MODE", "0")
    monkeypatch.setenv("SITE_URL", value)
    assert site_url() == value.rstrip("/")


@pytest.mark.parametrize(
    "value",
    (
        "a.example",
        "http://a.example",
        "https://A.example",
        "https://a.example/x",
        "https://10.0.0.1",
        "https://localhost",
    ),
)
def test_site_url_that_nobody_can_open_is_rejected(monkeypatch: Environ, value: str) -> None:
    monkeypatch.setenv("LOCAL_MODE", "0")
    monkeypatch.setenv("SITE_URL", value)
    with pytest.raises(ImproperlyConfigured, match="SITE_URL must be the origin of the site"):
        site_url()
