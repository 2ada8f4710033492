"""Readers of environment variables and their error messages."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from psycopg_pool.base import AttemptWithBackoff

from config import environment
from config.clerk_environment import ClerkScript, account_portal_url, clerk_script, frontend_api_url
from config.database import PREPARE_THRESHOLD, check_connection, check_pooler_connection
from config.environment import (
    boolean,
    choice,
    comma_separated,
    database_config,
    fraction,
    header,
    integer,
    log_format,
    mailer_config,
    pooler,
    replica_config,
    required,
    sentry_dsn,
    version,
)
from local.stack.environment import defaults

NAME = "SOME_VARIABLE"
Environ = pytest.MonkeyPatch


def set_variable(monkeypatch: Environ, value: str | None) -> None:
    if value is None:
        monkeypatch.delenv(NAME, raising=False)
    else:
        monkeypatch.setenv(NAME, value)


# --- required ---


@pytest.mark.parametrize("value", (None, "", "  ", "\t\n"), ids=("unset", "empty", "blank", "white space"))
def test_missing_required_variable_is_named(monkeypatch: Environ, value: str | None) -> None:
    set_variable(monkeypatch, value)
    with pytest.raises(ImproperlyConfigured, match=r"SOME_VARIABLE is not set\. It is the key\. See \.env\.example\."):
        required(NAME, "the key")


@pytest.mark.parametrize(
    ("value", "expected"),
    (("abc", "abc"), ("  abc ", "abc"), ("a b", "a b"), ("a$b#c=d", "a$b#c=d"), ("$", "$"), ("ł", "ł")),
)
def test_required_variable_is_stripped(monkeypatch: Environ, value: str, expected: str) -> None:
    set_variable(monkeypatch, value)
    assert required(NAME, "the key") == expected


# --- integer ---


@pytest.mark.parametrize(
    ("value", "expected"),
    ((None, 16), ("", 16), ("  ", 16), ("0", 0), ("8", 8), (" 8 ", 8), ("007", 7), ("65536", 65536)),
)
def test_integer_is_parsed_or_defaults(monkeypatch: Environ, value: str | None, expected: int) -> None:
    set_variable(monkeypatch, value)
    assert integer(NAME, 16) == expected


@pytest.mark.parametrize("value", ("-1", "+1", "1.5", "1e3", "ten", "0x10", "1_000", "8 000", "٣", "²", "8;"))
def test_invalid_integer_is_rejected(monkeypatch: Environ, value: str) -> None:
    set_variable(monkeypatch, value)
    with pytest.raises(ImproperlyConfigured, match="SOME_VARIABLE must be a whole number such as 16") as caught:
        integer(NAME, 16)
    assert repr(value) in str(caught.value)


def test_integer_below_the_minimum_is_rejected(monkeypatch: Environ) -> None:
    set_variable(monkeypatch, "0")
    with pytest.raises(ImproperlyConfigured, match="SOME_VARIABLE must be at least 1, not 0"):
        integer(NAME, 16, minimum=1)


# --- boolean ---


@pytest.mark.parametrize("value", ("1", "TRUE", "yes", " on "))
def test_boolean_is_on(monkeypatch: Environ, value: str) -> None:
    set_variable(monkeypatch, value)
    assert boolean(NAME) is True


@pytest.mark.parametrize("value", (None, "", " ", "0", "False", "no", " off "))
def test_boolean_is_off(monkeypatch: Environ, value: str | None) -> None:
    set_variable(monkeypatch, value)
    assert boolean(NAME) is False


@pytest.mark.parametrize("value", ("treu", "2", "ok", "enabled", "https"))
def test_other_words_are_not_boolean(monkeypatch: Environ, value: str) -> None:
    set_variable(monkeypatch, value)
    with pytest.raises(ImproperlyConfigured, match="SOME_VARIABLE must be on or off, not") as caught:
        boolean(NAME)
    assert repr(value) in str(caught.value)


# --- comma_separated ---


@pytest.mark.parametrize(
    ("value", "expected"),
    (
        pytest.param(None, [], id="unset"),
        pytest.param("", [], id="empty"),
        pytest.param(" , ,, ", [], id="only commas"),
        pytest.param("a", ["a"], id="one"),
        pytest.param("a,b", ["a", "b"], id="two"),
        pytest.param(" a , b,", ["a", "b"], id="spaces and trailing comma"),
        pytest.param("a b", ["a b"], id="space inside"),
        pytest.param("whsec_YQ==,whsec_Yg==", ["whsec_YQ==", "whsec_Yg=="], id="secrets"),
    ),
)
def test_comma_separated_values_are_parsed(monkeypatch: Environ, value: str | None, expected: list[str]) -> None:
    set_variable(monkeypatch, value)
    assert comma_separated(NAME) == expected
    assert comma_separated(NAME, ["default"]) == (expected or ["default"])


# --- choice ---


@pytest.mark.parametrize(
    ("value", "expected"),
    ((None, "X-Forwarded-For"), ("  ", "X-Forwarded-For"), ("forwarded", "Forwarded"), (" FORWARDED ", "Forwarded")),
)
def test_choice_ignores_case_and_has_a_default(monkeypatch: Environ, value: str | None, expected: str) -> None:
    set_variable(monkeypatch, value)
    assert choice(NAME, ("X-Forwarded-For", "Forwarded"), "X-Forwarded-For") == expected


def test_unknown_choice_is_rejected(monkeypatch: Environ) -> None:
    set_variable(monkeypatch, "X-Real-IP")
    with pytest.raises(
        ImproperlyConfigured, match="SOME_VARIABLE must be X-Forwarded-For or Forwarded, not 'X-Real-IP'"
    ):
        choice(NAME, ("X-Forwarded-For", "Forwarded"), "X-Forwarded-For")


# --- header ---


@pytest.mark.parametrize(
    ("value", "expected"),
    (
        pytest.param(None, None, id="unset"),
        pytest.param("  ", None, id="blank"),
        pytest.param("X-Forwarded-Proto: https", ("HTTP_X_FORWARDED_PROTO", "https"), id="usual"),
        pytest.param("x-forwarded-proto:https", ("HTTP_X_FORWARDED_PROTO", "https"), id="lower case, no space"),
        pytest.param(
            "  CloudFront-Forwarded-Proto :  https ", ("HTTP_CLOUDFRONT_FORWARDED_PROTO", "https"), id="spaces"
        ),
        pytest.param("Front-End-Https: on", ("HTTP_FRONT_END_HTTPS", "on"), id="other value"),
        pytest.param("X-Url: https://a:1", ("HTTP_X_URL", "https://a:1"), id="colons in the value"),
    ),
)
def test_header_is_converted_to_djangos_form(
    monkeypatch: Environ, value: str | None, expected: tuple[str, str] | None
) -> None:
    set_variable(monkeypatch, value)
    assert header(NAME) == expected


@pytest.mark.parametrize(
    "value", ("X-Forwarded-Proto", "X-Forwarded-Proto:", ": https", ":", "X-Forwarded-Proto=https")
)
def test_header_without_name_or_value_is_rejected(monkeypatch: Environ, value: str) -> None:
    set_variable(monkeypatch, value)
    with pytest.raises(ImproperlyConfigured, match="SOME_VARIABLE must look like 'X-Forwarded-Proto: https'") as caught:
        header(NAME)
    assert repr(value) in str(caught.value)


# --- database_config ---

DATABASES = (
    pytest.param(
        "postgresql://olive:secret@db.example.com:6543/main",
        {"NAME": "main", "USER": "olive", "PASSWORD": "secret", "HOST": "db.example.com", "PORT": 6543},
        id="TCP",
    ),
    pytest.param(
        "postgres://olive@localhost/main", {"NAME": "main", "USER": "olive", "HOST": "localhost"}, id="postgres"
    ),
    pytest.param(
        "postgresql://olive:p%40ss%2Fw%3Ard%23@localhost/main",
        {"USER": "olive", "PASSWORD": "p@ss/w:rd#", "HOST": "localhost", "NAME": "main"},
        id="percent-encoded password",
    ),
    pytest.param(
        "postgresql://olive@/main?host=/run/postgresql",
        {"NAME": "main", "USER": "olive", "HOST": "/run/postgresql"},
        id="socket",
    ),
    pytest.param(
        "postgresql://olive@/main?host=%2Fhome%2Fzofia%20w%C4%85s%2F.data",
        {"NAME": "main", "USER": "olive", "HOST": "/home/zofia wąs/.data"},
        id="percent-encoded socket",
    ),
    pytest.param("postgresql://olive@[::1]:5432/main", {"HOST": "::1", "PORT": 5432, "NAME": "main"}, id="IPv6"),
)


@pytest.mark.parametrize(("url", "parts"), DATABASES)
def test_database_url_is_parsed(url: str, parts: dict[str, Any]) -> None:
    settings = database_config(url, pool_size=4)
    assert settings["ENGINE"] == "django.db.backends.postgresql"
    assert {name: settings[name] for name in parts} == parts
    assert "host" not in settings["OPTIONS"]


def test_connections_are_pooled_with_short_timeouts() -> None:
    settings = database_config("postgresql://olive@localhost/main", pool_size=4)
    assert settings["CONN_MAX_AGE"] == 0
    assert settings["OPTIONS"] == {
        "connect_timeout": 3,
        "options": "-c lock_timeout=3000 -c statement_timeout=30000",
        "pool": {"min_size": 1, "max_size": 4, "timeout": 3, "reconnect_timeout": 3, "check": check_connection},
    }


def test_pool_reconnects_soon_after_a_long_outage() -> None:
    pool = database_config("postgresql://olive@localhost/main", pool_size=4)["OPTIONS"]["pool"]
    attempt, now, pauses = AttemptWithBackoff(timeout=pool["reconnect_timeout"]), 1000.0, []
    while not attempt.time_to_give_up(now):  # then, the next request starts over
        attempt.update_delay(now)
        pauses.append(attempt.delay)
        now += attempt.delay
    assert max(pauses) < 3


def test_transaction_pooler_gets_no_startup_options_and_no_server_side_cursors() -> None:
    """PgBouncer rejects start-up options, and server-side cursors would outlive their transaction."""
    settings = database_config("postgresql://olive@localhost/main", pool_size=4, pooler="transaction")
    assert settings["DISABLE_SERVER_SIDE_CURSORS"]
    assert settings["OPTIONS"] == {
        "connect_timeout": 3,
        "pool": {"min_size": 1, "max_size": 4, "timeout": 3, "reconnect_timeout": 3, "check": check_connection},
    }


def test_replica_has_a_short_timeout_and_its_own_pool() -> None:
    settings = replica_config("postgresql://olive@10.0.0.6/main", pool_size=4, password="secret")
    assert (settings["HOST"], settings["PASSWORD"], settings["TEST"]) == ("10.0.0.6", "secret", {"MIRROR": "default"})
    pool = settings["OPTIONS"]["pool"]
    assert (pool["timeout"], pool["check"].keywords) == (0.5, {"alias": "replica"})


def test_error_names_the_replica() -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_REPLICA_URL must be the URL"):
        replica_config("mysql://olive@10.0.0.6/main", pool_size=4)


def test_statements_are_prepared_only_on_request() -> None:
    """Django does not prepare statements unless its options contain a threshold."""
    url = "postgresql://olive@localhost/main"
    assert database_config(url, pool_size=4, prepares=True)["OPTIONS"]["prepare_threshold"] == PREPARE_THRESHOLD
    assert "prepare_threshold" not in database_config(url, pool_size=4)["OPTIONS"]


@pytest.mark.parametrize("read", (database_config, replica_config))
def test_connections_to_a_pooler_test_whether_it_supports_prepared_statements(read: Callable[..., Any]) -> None:
    options = read("postgresql://olive@localhost/main", pool_size=4, pooler="transaction", prepares=True)["OPTIONS"]
    check = options["pool"]["check"]
    assert getattr(check, "func", check) is check_pooler_connection
    assert "prepare_threshold" not in options


@pytest.mark.parametrize("text", ("pgbouncer", "session", "statement", "1"))
def test_unknown_pooler_mode_is_rejected(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DATABASE_POOLER", text)
    with pytest.raises(ImproperlyConfigured, match="DATABASE_POOLER must be transaction, or blank"):
        pooler()


@pytest.mark.parametrize(("text", "mode"), (("", ""), (" Transaction ", "transaction")))
def test_pooler_mode_is_read(monkeypatch: pytest.MonkeyPatch, text: str, mode: str) -> None:
    monkeypatch.setenv("DATABASE_POOLER", text)
    assert pooler() == mode


def test_url_options_are_kept() -> None:
    settings = database_config("postgresql://olive@localhost/main?sslmode=require&application_name=web", pool_size=4)
    options = settings["OPTIONS"]
    assert (options["sslmode"], options["application_name"]) == ("require", "web")


@pytest.mark.parametrize(
    "url",
    (
        pytest.param("sqlite:///db.sqlite3", id="SQLite"),
        pytest.param("mysql://olive@localhost/main", id="MySQL"),
        pytest.param("postgis://olive@localhost/main", id="PostGIS"),
        pytest.param("redis://localhost", id="Redis"),
        pytest.param("https://example.com", id="HTTPS"),
        pytest.param("foo://olive@localhost/main", id="unknown engine"),
        pytest.param("localhost/main", id="no scheme"),
        pytest.param("postgresql://olive@localhost:port/main", id="invalid port"),
        pytest.param("postgresql://[::1/main", id="broken IPv6"),
        pytest.param("", id="empty"),
        pytest.param("\x00", id="NUL"),
    ),
)
def test_invalid_database_url_is_rejected(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"DATABASE_URL .*postgresql://"):
        database_config(url, pool_size=4)


def test_database_error_does_not_contain_the_password() -> None:
    for url in (
        "mysql://olive:hunter2@localhost/main",
        "foo://olive:hunter2@localhost/main",
        "postgresql://olive:hunter2@localhost:port/main",
    ):
        with pytest.raises(ImproperlyConfigured) as caught:
            database_config(url, pool_size=4)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", ("pk_test_", "pk_live_!!!", "sk_test_Y2xlcmsuY2xlcmsuZGV2JA", "pk_test_Y2xlcms", "x"))
def test_invalid_publishable_key_is_rejected(key: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="CLERK_PUBLISHABLE_KEY"):
        frontend_api_url(key)


def test_frontend_api_url_is_decoded_from_the_publishable_key() -> None:
    assert frontend_api_url("pk_test_Y2xlcmsuY2xlcmsuZGV2JA") == "https://clerk.clerk.dev"


# --- mailer_config ---

SMTP = "django.core.mail.backends.smtp.EmailBackend"


@pytest.mark.parametrize(
    ("url", "options"),
    (
        ("", {"host": "localhost", "port": 25, "use_tls": False, "use_ssl": False}),
        ("smtp://mail.example.com", {"host": "mail.example.com", "port": 25, "username": "", "password": ""}),
        ("smtp+tls://o%40x:p%2F%40%2B@mail.example.com:587", {"username": "o@x", "password": "p/@+", "use_tls": True}),
        ("smtp+ssl://u:p@mail.example.com:465", {"port": 465, "use_ssl": True, "use_tls": False}),
    ),
)
def test_email_url_is_parsed(url: str, options: dict[str, Any]) -> None:
    config = mailer_config(url)
    assert config["BACKEND"] == SMTP
    assert options.items() <= config["OPTIONS"].items()
    assert config["OPTIONS"]["timeout"]


def test_mail_folder_can_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "a b+c%20d" / "mail"
    url = defaults(folder.parent, 8000)["EMAIL_URL"]
    assert mailer_config(url) == {
        "BACKEND": "django.core.mail.backends.filebased.EmailBackend",
        "OPTIONS": {"file_path": str(folder)},
    }


@pytest.mark.parametrize("url", ("mail.example.com", "http://u:secretword@x", "smtp://x:port", "smtp://[x", "://"))
def test_invalid_email_url_is_rejected_without_showing_the_password(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="EMAIL_URL must look like") as caught:
        mailer_config(url)
    assert "secretword" not in str(caught.value)


# --- fraction, log_format, deployment, version, sentry_dsn ---


@pytest.mark.parametrize(("value", "expected"), ((None, 0), ("", 0), ("0", 0), ("0.25", 0.25), (" 1 ", 1), ("1.0", 1)))
def test_fraction_is_parsed(monkeypatch: Environ, value: str | None, expected: float) -> None:
    set_variable(monkeypatch, value)
    assert fraction(NAME) == expected


@pytest.mark.parametrize("value", ("-0.1", "1.1", "2", "10%", "0,1", ".5", "nan", "inf", "1e-1"))
def test_invalid_fraction_is_rejected(monkeypatch: Environ, value: str) -> None:
    set_variable(monkeypatch, value)
    with pytest.raises(ImproperlyConfigured, match="SOME_VARIABLE must be a number from 0 to 1"):
        fraction(NAME)


def test_log_format_defaults_to_console_in_local_mode_and_json_elsewhere(monkeypatch: Environ) -> None:
    monkeypatch.setenv("LOG_FORMAT", "")
    for local, expected in (("1", "console"), ("0", "json")):
        monkeypatch.setenv("LOCAL_MODE", local)
        assert log_format() == expected
    monkeypatch.setenv("LOG_FORMAT", " Console ")
    assert log_format() == "console"
    monkeypatch.setenv("LOG_FORMAT", "xml")
    with pytest.raises(ImproperlyConfigured, match="LOG_FORMAT must be console or json, not 'xml'"):
        log_format()


def test_version_is_the_variable_the_commit_or_the_release(monkeypatch: Environ, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "BASE_DIR", tmp_path)
    monkeypatch.setenv("VERSION", "")
    assert version.__wrapped__() == ""
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    assert version.__wrapped__() == "1.2.3"
    heads = tmp_path / ".git" / "refs" / "heads"
    heads.mkdir(parents=True)
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (heads / "main").write_text("0123456789abcdef0123456789abcdef01234567\n")
    assert version.__wrapped__() == "0123456789ab"
    monkeypatch.setenv("VERSION", "2026.11.25")
    assert version.__wrapped__() == "2026.11.25"


@pytest.mark.parametrize("dsn", ("", "https://key@o1.ingest.sentry.io/42", "http://key@127.0.0.1:9000/1"))
def test_valid_dsn_is_returned(monkeypatch: Environ, dsn: str) -> None:
    monkeypatch.setenv("SENTRY_DSN", dsn)
    assert sentry_dsn() == dsn


@pytest.mark.parametrize(
    "dsn", ("secretword", "https://o1.ingest.sentry.io/42", "https://secretword@host/", "ftp://secretword@h/1")
)
def test_invalid_dsn_is_rejected_without_showing_it(monkeypatch: Environ, dsn: str) -> None:
    monkeypatch.setenv("SENTRY_DSN", dsn)
    with pytest.raises(ImproperlyConfigured, match="SENTRY_DSN must look like") as caught:
        sentry_dsn()
    assert "secretword" not in str(caught.value)


# --- clerk_script ---

HASH = f"sha384-{'aB3+' * 16}"


@pytest.mark.parametrize(
    ("value", "expected"),
    (
        (None, ClerkScript("6", "")),
        ("  ", ClerkScript("6", "")),
        ("6", ClerkScript("6", "")),
        ("6.40.0", ClerkScript("6.40.0", "")),
        (f" 6.40.0  {HASH} ", ClerkScript("6.40.0", HASH)),
    ),
)
def test_release_of_clerks_script_is_parsed(monkeypatch: Environ, value: str | None, expected: ClerkScript) -> None:
    set_variable(monkeypatch, value)
    assert clerk_script(NAME, "6") == expected


@pytest.mark.parametrize(
    "value",
    (
        *("latest", "5", "5.1.0", "60.1.0", "6.40", "6.40.0-beta", "v6.40.0", "6.40.0/../../x", '6.40.0"onload='),
        *(f"6 {HASH}", HASH, f"6.40.0 {HASH[:-1]}", f"6.40.0 {HASH.replace('384', '256')}", "6.40.0 sha384-"),
    ),
)
def test_other_release_of_clerks_script_is_rejected(monkeypatch: Environ, value: str) -> None:
    """The scripts of this project use version 6, and a hash of a file that changes would block sign-in."""
    set_variable(monkeypatch, value)
    with pytest.raises(ImproperlyConfigured, match=r"SOME_VARIABLE must be 6, a release such as 6\.1\.0"):
        clerk_script(NAME, "6")


# --- account_portal_url ---


@pytest.mark.parametrize(
    ("frontend", "portal"),
    (
        ("https://clerk.example.com", "https://accounts.example.com"),
        ("https://clerk.clerk.dev", "https://accounts.clerk.dev"),
        ("https://happy-fox-7.clerk.accounts.dev", "https://happy-fox-7.accounts.dev"),
        ("https://myclerk.example.com", ""),
        ("https://auth.example.com", ""),
        ("", ""),
    ),
)
def test_account_portal_is_derived_from_the_frontend_api(monkeypatch: Environ, frontend: str, portal: str) -> None:
    monkeypatch.setenv("CLERK_ACCOUNT_PORTAL_URL", " ")
    assert account_portal_url(frontend) == portal


def test_account_portal_can_be_set(monkeypatch: Environ) -> None:
    monkeypatch.setenv("CLERK_ACCOUNT_PORTAL_URL", "https://login.example.com/")
    assert account_portal_url("https://clerk.example.com") == "https://login.example.com"


@pytest.mark.parametrize("local_mode", ("0", "1"))
def test_account_portal_may_use_http_only_in_local_mode(monkeypatch: Environ, local_mode: str) -> None:
    monkeypatch.setenv("CLERK_ACCOUNT_PORTAL_URL", "http://clerk.bw.localhost:8001")
    monkeypatch.setenv("LOCAL_MODE", local_mode)
    if local_mode == "1":
        assert account_portal_url("") == "http://clerk.bw.localhost:8001"
        return
    with pytest.raises(ImproperlyConfigured, match="CLERK_ACCOUNT_PORTAL_URL must be an origin"):
        account_portal_url("")


@pytest.mark.parametrize(
    "value",
    ("accounts.example.com", "https://accounts.example.com/user", "https://", "javascript:1", "https://A.example"),
)
def test_invalid_account_portal_is_rejected(monkeypatch: Environ, value: str) -> None:
    monkeypatch.setenv("CLERK_ACCOUNT_PORTAL_URL", value)
    with pytest.raises(ImproperlyConfigured, match="CLERK_ACCOUNT_PORTAL_URL must be an origin"):
        account_portal_url("")


@pytest.mark.parametrize(
    ("value", "expected"),
    (
        ("", {}),
        ("org:builder=BUILDER", {"org:builder": "BUILDER"}),
        (" org:builder = BUILDER , org:client=CLIENT", {"org:builder": "BUILDER", "org:client": "CLIENT"}),
    ),
)
def test_role_mapping_is_parsed(monkeypatch: Environ, value: str, expected: dict[str, str]) -> None:
    monkeypatch.setenv("X", value)
    assert environment.role_mapping("X") == expected


@pytest.mark.parametrize(
    "value", ("org:admin=ADMIN", "builder=BUILDER", "org:builder", "org:builder=builder", "=CLIENT")
)
def test_malformed_role_mapping_is_rejected(monkeypatch: Environ, value: str) -> None:
    monkeypatch.setenv("X", value)
    with pytest.raises(ImproperlyConfigured, match="X must map roles in organizations to CLIENT or BUILDER"):
        environment.role_mapping("X")
