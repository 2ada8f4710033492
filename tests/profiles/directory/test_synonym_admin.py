"""Admins edit search synonyms."""

from typing import Any

import pytest
from django.test import Client

from audit.models import AuditLog
from profiles.directory import synonyms
from profiles.models import SearchSynonym
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db
URL = "/admin/profiles/searchsynonym/"


@pytest.fixture
def adam() -> Client:
    return signed_in(UserFactory.create(admin=True))


def test_added_synonym_is_used_immediately(
    adam: Client, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synonyms._Cache, "checked_at", 0.0)
    with django_capture_on_commit_callbacks(execute=True):
        adam.post(f"{URL}add/", {"searches": "woods, Wood land", "finds": "Forestry", "domains": ["data"]})
    row = SearchSynonym.objects.get(searches__contains=["woods"])
    assert (row.searches, row.finds, row.domains) == (["woods", "Wood land"], ["Forestry"], ["data"])
    assert synonyms._Cache.checked_at == float("-inf")
    meaning = synonyms.load(None).find(["woodland"])
    assert meaning
    assert meaning.labels == ("Forestry", "Data and dashboards")


def test_changes_and_deletions_are_audited(adam: Client) -> None:
    row = SearchSynonym.objects.create(searches=["woods"], finds=["Forestry"])
    adam.post(f"{URL}{row.pk}/change/", {"searches": "woods", "finds": ""})
    adam.post(f"{URL}{row.pk}/change/", {"searches": "woods", "finds": ""})  # Unchanged values are not audited.
    adam.post(URL, {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
    assert not SearchSynonym.objects.filter(pk=row.pk).exists()
    changed, deleted = AuditLog.objects.filter(action="SYNONYM_CHANGED").order_by("pk")
    assert changed.details == {"finds": [["Forestry"], []]}
    assert deleted.details == {"searches": [["woods"], []]}


@pytest.mark.parametrize(
    ("submitted", "message"),
    (
        ({"searches": ""}, "This field is required."),
        ({"searches": "!!!"}, "“!!!” contains no letter or digit. Remove it."),
        ({"searches": "one two three four five"}, "has more than 4 words. Shorten it."),
        ({"searches": "woods", "finds": "x" * 41}, "Use 40 or fewer."),
        ({"searches": ",".join(map(str, range(21)))}, "Enter at most 20. You entered 21."),
        ({"searches": "woods", "domains": ["nonsense"]}, "nonsense"),
    ),
)
def test_invalid_synonyms_are_rejected(submitted: dict[str, Any], message: str, adam: Client) -> None:
    before = SearchSynonym.objects.count()
    response = adam.post(f"{URL}add/", submitted)
    assert response.status_code == 200
    assert message in response.content.decode()
    assert SearchSynonym.objects.count() == before


def test_number_of_synonyms_is_limited(adam: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("profiles.forms.synonyms.MAX_SYNONYMS", 1)
    response = adam.post(f"{URL}add/", {"searches": "woods"})
    assert "There are already 1 synonyms. Delete one first." in response.content.decode()


def test_list_can_be_searched(adam: Client) -> None:
    assert "iphone" in adam.get(f"{URL}?q=iphone").content.decode()
