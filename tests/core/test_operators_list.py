"""The shared design of admin lists: filters as links, active filters as chips, and labelled cells."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from accounts.models import IdentityConflict, Notification, User
from audit.models import AuditLog
from tests.helpers.admin import one_of_each
from tests.helpers.clients import with_password
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db

USERS, AUDIT = "/admin/accounts/user/", "/admin/audit/auditlog/"
LISTS = {
    model._meta.label_lower: reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    for model in admin.site._registry
}


@pytest.fixture
def operator() -> Client:
    return with_password()


def chips(response: Any) -> dict[str, str]:
    return {f"{chip.label}: {chip.value}": chip.remove_url for chip in response.context["cl"].chips()}


#: Lists that explain what will appear in them, with a part of the explanation.
EXPLAINED = {
    "accounts.lead": "Invite a person",
    "accounts.organization": "manage.py reconcile --organizations",
    "accounts.organizationmembership": "join an organization",
    "accounts.notification": "manage.py sendtestemail",
    "accounts.userimport": "manage.py import_users",
    "accounts.accessrun": "select users",
    "accounts.admingrant": "add the role Admin",
    "profiles.reviewrequest": "Ask for a review",
    "profiles.report": "Report this page",
}


class TestEmptyLists:
    @pytest.mark.parametrize("label", EXPLAINED)
    def test_empty_list_explains_what_will_appear_and_the_next_action(self, operator: Client, label: str) -> None:
        assert EXPLAINED[label] in unescape(operator.get(LISTS[label]).content.decode())

    @pytest.mark.parametrize("query", ("?q=nobody", "?state__exact=pending"))
    def test_filtered_list_is_not_called_empty(self, operator: Client, query: str) -> None:
        assert "appear here" not in operator.get(LISTS["accounts.lead"] + query).content.decode()

    def test_list_with_rows_has_no_explanation(self, operator: Client) -> None:
        one_of_each()
        for label in EXPLAINED:
            assert "appear here" not in operator.get(LISTS[label]).content.decode()

    def test_page_after_the_last_row_is_not_called_empty(self, operator: Client) -> None:
        one_of_each()
        changes = operator.get(LISTS["accounts.notification"]).context["cl"]
        older = LISTS["accounts.notification"] + changes._link("before", Notification.objects.get())
        response = operator.get(older)
        assert list(response.context["cl"].result_list) == []
        assert "appear here" not in response.content.decode()

    def test_help_is_short_and_complete(self) -> None:
        for model, model_admin in admin.site._registry.items():
            text = str(getattr(model_admin, "help_if_empty", ""))
            assert (model._meta.label_lower in EXPLAINED) == bool(text)
            assert not text or text.endswith(".")


class TestLists:
    @pytest.mark.parametrize("label", LISTS)
    def test_every_list_has_the_shared_design(self, operator: Client, label: str) -> None:
        text = operator.get(LISTS[label]).content.decode()
        assert "css/operators.css" in text
        assert 'id="changelist-filter"' not in text

    def test_filters_are_links_and_the_active_choice_is_marked(self, operator: Client) -> None:
        text = operator.get(f"{USERS}?role=BUILDER").content.decode()
        [group] = re.findall(r'<span class="filter-group__title" id="filter-2">Role</span>(.*?)</ul>', text, re.DOTALL)
        assert re.findall(r'<a href="([^"]*)" (aria-current="true")?>(\w+)</a>', group) == [
            ("?", "", "All"),
            ("?role=CLIENT", "", "Client"),
            ("?role=BUILDER", 'aria-current="true"', "Builder"),
            ("?role=ADMIN", "", "Admin"),
            ("?role=none", "", "None"),
        ]

    def test_active_filters_and_search_are_removable_chips(self, operator: Client) -> None:
        response = operator.get(f"{USERS}?role=BUILDER&state=banned&q=Olive")
        assert chips(response) == {
            "Search: Olive": "?role=BUILDER&state=banned",
            "state: Banned": "?q=Olive&role=BUILDER",
            "role: Builder": "?q=Olive&state=banned",
        }
        assert 'href="?">Clear all</a>' in response.content.decode()
        assert "Clear all" not in operator.get(USERS).content.decode()

    def test_long_filters_are_collapsed(self, operator: Client) -> None:
        text = operator.get(f"{AUDIT}?action__exact=USER_CREATED").content.decode()
        [menu] = re.findall(r'<details class="filter-menu">.*?</details>', text, re.DOTALL)
        assert re.sub(r"<[^>]*>", "", menu.partition("</summary>")[0]).strip() == "User Created"
        assert menu.count("<a ") == len(AuditLog.Action) + 1

    def test_filters_set_by_links_are_shown_only_as_chips(self, operator: Client) -> None:
        response = operator.get(f"{AUDIT}?target=accounts.user:1")
        assert chips(response) == {"changed object: accounts.user:1": "?"}
        assert 'filter-group__title" id="filter-1"' not in response.content.decode()

    def test_cells_name_their_column(self, operator: Client) -> None:
        UserFactory.create(name='Olive & "Owner"', client=True)
        text = operator.get(USERS).content.decode()
        assert '<td data-label="Status" class="field-status"><span class="state is-good">' in text
        assert '<td data-label="Roles" class="field-role_names">Client</td>' in text
        assert '<th data-label="Display name" class="field-display_name"><a href=' in text
        assert '<td class="action-checkbox">' in text


class TestStates:
    def test_user_without_access_is_shown_with_the_reason(self, operator: Client) -> None:
        UserFactory.create(banned=True)
        assert '<span class="state is-neutral">' in operator.get(USERS).content.decode()

    def test_open_conflict_is_marked_as_needing_attention(self, operator: Client) -> None:
        user, other = UserFactory.create(), UserFactory.create()
        IdentityConflict.objects.create(kind=IdentityConflict.Kind.POSSIBLE, user=user, other=other)
        text = operator.get(LISTS["accounts.identityconflict"]).content.decode()
        assert '<td data-label="State" class="field-status"><span class="state is-attention">' in text
        assert User.objects.count() == 3


@pytest.mark.parametrize(("name", "title"), (("auth/group", "Groups"), ("profiles/searchsynonym", "Search synonyms")))
def test_editable_list_is_titled_by_its_rows(name: str, title: str) -> None:
    text = with_password().get(f"/admin/{name}/").content.decode()
    assert f"<h1>{title}</h1>" in text
    assert "to change" not in text
