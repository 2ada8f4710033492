"""Admin lists accept only declared filters, so that URLs cannot be used to guess hidden values."""

import logging
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.db import models
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.models import User
from core.admin.declared_filters import DeclaredFiltersMixin
from profiles.models import ContactMessage
from tests.helpers.clients import signed_in
from tests.helpers.factories import BuilderProfileFactory, UserFactory

pytestmark = pytest.mark.django_db

ADMINS = {model._meta.label_lower: model_admin for model, model_admin in admin.site._registry.items()}
HOSTILE_VALUES = ("", "\x00", "99999999999999999999", "²nonsense['%")
LOOKUPS = ("", "__exact", "__regex", "__contains", "__startswith", "__isnull", "__in", "__gt")


@pytest.fixture
def browser() -> Client:
    return signed_in(UserFactory.create(admin=True))


def list_url(model: type[models.Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def declared_parameters(model_admin: object) -> frozenset[str]:
    assert isinstance(model_admin, DeclaredFiltersMixin)
    return model_admin.declared_parameters(RequestFactory().get("/"))


def listed_ids(browser: Client, model: type[models.Model], **query: str) -> list[int]:
    response = browser.get(f"{list_url(model)}?{urlencode(query)}", follow=True)
    assert response.status_code == 200
    return [row.pk for row in response.context["cl"].result_list]


@pytest.mark.parametrize("label", ADMINS)
def test_every_admin_accepts_only_declared_filters(label: str) -> None:
    model_admin = ADMINS[label]
    assert isinstance(model_admin, DeclaredFiltersMixin)
    hidden = {field.name for field in model_admin.model._meta.fields} - {
        name.partition("__")[0] for name in declared_parameters(model_admin)
    }
    request = RequestFactory().get("/")
    for name in hidden:
        for lookup in LOOKUPS:
            assert not model_admin.lookup_allowed(name + lookup, "x", request), name + lookup


PRIVATE_WORDS = ("password", "body", "subject", "payload", "headers", "details", "archive", "user_agent", "ip_address")


@pytest.mark.parametrize("label", ADMINS)
def test_private_columns_are_never_declared(label: str) -> None:
    for name in declared_parameters(ADMINS[label]):
        if name != "subject":  # the audit log matches a user ID exactly
            assert not name.startswith(PRIVATE_WORDS), name


def test_password_hash_cannot_be_guessed(browser: Client) -> None:
    operator = UserFactory.create(superuser=True)
    User.objects.filter(pk=operator.pk).update(password="pbkdf2_sha256$secret")
    right = listed_ids(browser, User, password__regex="^pbkdf2_sha256.s")
    wrong = listed_ids(browser, User, password__regex="^pbkdf2_sha256.x")
    assert right == wrong
    assert operator.pk in right


def test_private_message_cannot_be_guessed(browser: Client) -> None:
    message = ContactMessage.objects.create(
        builder=BuilderProfileFactory.create(), sender=UserFactory.create(), subject="Hello", body="secret"
    )
    for query in ({"body__regex": "^s"}, {"body__regex": "^x"}, {"subject__startswith": "x"}, {"body": "x"}):
        assert listed_ids(browser, ContactMessage, **query) == [message.pk]


def test_page_of_a_message_shows_neither_subject_nor_body(browser: Client) -> None:
    builder = BuilderProfileFactory.create()
    message = ContactMessage.objects.create(
        builder=builder, sender=UserFactory.create(), subject="Private subject", body="Private body"
    )
    for path in (f"{message.pk}/change/", f"{message.pk}/history/", ""):
        assert "Private" not in browser.get(list_url(ContactMessage) + path).content.decode()


def test_rejected_filter_is_named_and_logged_without_its_value(
    browser: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "core.admin"):
        page = browser.get(f"{list_url(User)}?password__regex=secret-value").content.decode()
    assert "There is no filter “password__regex”." in page
    [record] = [record for record in caplog.records if record.name.startswith("core.admin")]
    assert "password__regex" in record.getMessage()
    assert "secret-value" not in record.getMessage()


def test_links_on_the_list_omit_a_rejected_filter(browser: Client) -> None:
    page = browser.get(f"{list_url(User)}?password__regex=x&state=active").content.decode()
    assert "state=active" in page
    assert "password__regex=" not in page


def test_action_is_refused_if_the_url_has_an_unknown_filter(browser: Client) -> None:
    user = UserFactory.create(client=True)
    data = {"action": "change_roles", "_selected_action": [user.pk], "select_across": "1", "index": "0"}
    data |= {"confirmed": "1", "add": ["BUILDER"], "reason": "test"}
    response = browser.post(f"{list_url(User)}?email__endswith=.org", data, follow=True)
    page = response.content.decode()
    assert "Nothing was done, because there is no filter “email__endswith”." in page
    assert response.redirect_chain == [(list_url(User), 302)]
    user.refresh_from_db()
    assert user.roles == ["CLIENT"]


@pytest.mark.parametrize("label", ADMINS)
def test_hostile_values_cause_no_server_error(label: str, browser: Client) -> None:
    model_admin = ADMINS[label]
    for name in (*sorted(declared_parameters(model_admin)), "roles__contains", "q"):
        for value in HOSTILE_VALUES:
            response = browser.get(f"{list_url(model_admin.model)}?{urlencode({name: value})}")
            assert response.status_code in (200, 302), (name, value)


@pytest.mark.parametrize("label", ADMINS)
def test_hostile_keys_cause_no_server_error(label: str, browser: Client) -> None:
    for key in ("%00/change/", "99999999999999999999999/change/", "²/change/?_to_field=password"):
        response = browser.get(list_url(ADMINS[label].model) + key)
        assert response.status_code in (302, 400, 404), key


@pytest.mark.parametrize("label", ADMINS)
@pytest.mark.parametrize("page", ("change", "history", "delete"))
def test_missing_row_returns_404_with_its_name(label: str, page: str, browser: Client) -> None:
    model_admin = ADMINS[label]
    response = browser.get(f"{list_url(model_admin.model)}987654/{page}/")
    if response.status_code == 403:  # these rows cannot be deleted
        assert page == "delete"
        return
    text = response.content.decode()
    assert response.status_code == 404
    assert f"There is no {model_admin.opts.verbose_name} with the ID" in text
    assert "987654" in text
    assert f'href="{list_url(model_admin.model)}"' in text


def test_key_of_a_missing_row_is_escaped(browser: Client) -> None:
    text = browser.get(f"{list_url(User)}%3Cscript%3E{'x' * 300}/change/").content.decode()
    assert "&lt;script&gt;" in text
    assert "x" * 150 not in text


@pytest.mark.parametrize("label", ADMINS)
@pytest.mark.parametrize("key", ("1", "%00", "²"))
@pytest.mark.parametrize("page", ("change", "delete"))
def test_blank_reference_field_causes_no_server_error(label: str, key: str, page: str, browser: Client) -> None:
    url = f"{list_url(ADMINS[label].model)}{key}/{page}/?_to_field="
    assert browser.get(url).status_code < 500
    assert browser.post(url, {"_to_field": ""}).status_code < 500


def test_search_fields_exclude_private_columns() -> None:
    private = {"password", *PRIVATE_WORDS}
    for model_admin in ADMINS.values():
        fields = {name.lstrip("^=@").rpartition("__")[2] for name in model_admin.search_fields}
        assert not fields & private
