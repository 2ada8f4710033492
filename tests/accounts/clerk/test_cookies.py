"""Parsing Clerk's cookies and choosing between plain and suffixed cookies."""

import dataclasses
import time

import pytest

from accounts.clerk import instance
from accounts.clerk.cookies import ClerkCookies, parse
from accounts.clerk.instance import Instance
from tests.helpers.tokens import mint

OLIVE = "user_2olive0000000000000000000000"


@pytest.fixture
def ours() -> Instance:
    found = instance.current()
    assert found is not None
    return found


def test_suffix_matches_clerks_own_libraries(settings: object) -> None:
    assert instance._instance("pk_test_Y2xlcmsuY2xlcmsuZGV2JA", "").cookie_suffix == "QvfNY2dr"


@pytest.mark.parametrize(
    ("header", "expected"),
    (
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ("a=1; a=2", {"a": "1"}),
        ("a=x%20y%3D", {"a": "x y="}),
        ("a=1; junk; =; b=2;; c", {"a": "1", "": "", "b": "2"}),
        ('a={"x": "y,z"}; b=2', {"a": '{"x": "y,z"}', "b": "2"}),
        ("a=%ff%zz; b=2", {"a": "\ufffd%zz", "b": "2"}),
        ("", {}),
    ),
)
def test_malformed_cookies_do_not_affect_other_cookies(header: str, expected: dict[str, str]) -> None:
    assert parse(header) == expected


def test_excess_cookies_are_ignored() -> None:
    assert len(parse(";".join(f"c{n}=1" for n in range(5000)))) == 200


def cookie(ours: Instance, name: str, value: object, *, suffixed: bool) -> str:
    return f"{name}_{ours.cookie_suffix}={value}" if suffixed else f"{name}={value}"


def test_plain_cookies_are_used_without_suffixed_ones(ours: Instance) -> None:
    token = mint(OLIVE)
    found = ClerkCookies(f"__session={token}; __client_uat=5", ours)
    assert (found.session, found.client_uat, found.uses_suffixed) == (token, 5, False)


def test_suffixed_cookies_are_used_next_to_another_instances_cookies(ours: Instance) -> None:
    theirs, token = mint(OLIVE, iss="https://clerk.other.example"), mint(OLIVE)
    header = f"__session={theirs}; __client_uat=9; __session_{ours.cookie_suffix}={token}; __client_uat_{ours.cookie_suffix}=5"
    found = ClerkCookies(header, ours)
    assert (found.session, found.client_uat, found.uses_suffixed) == (token, 5, True)


def test_newer_plain_session_is_used(ours: Instance) -> None:
    new, old = mint(OLIVE), mint(OLIVE, age_s=30)
    header = (
        f"__session={new}; __client_uat=9; __session_{ours.cookie_suffix}={old}; __client_uat_{ours.cookie_suffix}=5"
    )
    assert ClerkCookies(header, ours).session == new


def test_plain_sign_in_overrides_suffixed_sign_out(ours: Instance) -> None:
    token = mint(OLIVE)
    header = f"__session={token}; __client_uat={int(time.time())}; __client_uat_{ours.cookie_suffix}=0"
    assert ClerkCookies(header, ours).session == token


def test_plain_session_without_issuer_is_returned_unchanged(ours: Instance) -> None:
    header = f"__session=junk; __session_{ours.cookie_suffix}={mint(OLIVE)}; __client_uat_{ours.cookie_suffix}=5"
    assert ClerkCookies(header, ours).session == "junk"


@pytest.mark.parametrize(("plain_uat", "uses_suffixed"), (("0", False), ("5", True)))
def test_plain_sign_out_overrides_expired_suffixed_session_in_development_only(
    ours: Instance, plain_uat: str, *, uses_suffixed: bool
) -> None:
    old = mint(OLIVE, age_s=600)
    header = f"__client_uat={plain_uat}; __session_{ours.cookie_suffix}={old}; __client_uat_{ours.cookie_suffix}=5"
    assert ClerkCookies(header, ours).uses_suffixed == uses_suffixed
    production = dataclasses.replace(ours, is_development=False)
    assert ClerkCookies(header, production).uses_suffixed


@pytest.mark.parametrize(
    ("text", "number"), (("12", 12), ("12abc", 12), ("abc", 0), ("-1", 0), ("1" * 400, int("1" * 15)), ("", 0))
)
def test_client_uat_is_parsed(ours: Instance, text: str, number: int) -> None:
    assert ClerkCookies(f"__client_uat={text}", ours).client_uat == number


@pytest.mark.parametrize(("text", "count"), (("2", 2), ("x", 0), ("99999999", 0), ("-1", 0), ("", 0)))
def test_redirect_count_is_parsed(ours: Instance, text: str, count: int) -> None:
    assert ClerkCookies(f"__clerk_redirect_count={text}", ours).redirect_count == count
