"""Notes for colleagues about a user: added and deleted by admins, exported and erased with the user's data."""

import json
import zipfile
from io import BytesIO

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User, UserNote
from accounts.privacy.erasure import erase_user
from accounts.privacy.exports import build_archive
from audit.models import AuditLog
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db
TEXT = "Called twice.\nPrefers <b>email</b>."


@pytest.fixture
def adam() -> User:
    adam: User = UserFactory.create(name="Adam", admin=True)
    return adam


@pytest.fixture
def browser(adam: User) -> Client:
    return signed_in(adam)


@pytest.fixture
def olive() -> User:
    olive: User = UserFactory.create(name="Olive", client=True)
    return olive


def url(user: User, page: str = "notes") -> str:
    return f"/admin/accounts/user/{user.pk}/{page}/"


def add(browser: Client, user: User, text: str = TEXT) -> str:
    response = browser.post(url(user), {"text": text}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def delete(browser: Client, note: UserNote) -> int:
    return browser.post(f"{url(note.user)}{note.pk}/remove/").status_code


def test_note_is_shown_on_the_users_page_with_author_and_audited(browser: Client, adam: User, olive: User) -> None:
    page = add(browser, olive)
    assert "Note saved." in page
    assert "<bdi>Adam</bdi>" in page
    assert "Called twice.<br>Prefers &lt;b&gt;email&lt;/b&gt;." in page
    row = AuditLog.objects.get(action="USER_NOTE_ADDED")
    assert (row.actor, row.subject, row.details) == (adam, olive, {})


def test_only_the_author_can_delete_a_note(browser: Client, olive: User) -> None:
    add(browser, olive)
    note, bert = UserNote.objects.get(), signed_in(UserFactory.create(name="Bert", admin=True))
    assert "Delete note" not in bert.get(url(olive, "change")).content.decode()
    assert delete(bert, note) == 403
    assert delete(browser, note) == 302
    assert delete(browser, note) == 404
    assert not UserNote.objects.exists()
    assert AuditLog.objects.filter(action="USER_NOTE_DELETED").count() == 1


def test_note_is_not_found_below_another_user(browser: Client, olive: User) -> None:
    add(browser, olive)
    assert browser.post(f"{url(UserFactory.create())}{UserNote.objects.get().pk}/remove/").status_code == 404


@pytest.mark.parametrize("text", ("", " \n\t", "x" * 2001))
def test_invalid_note_is_shown_again(browser: Client, olive: User, text: str) -> None:
    page = add(browser, olive, text)
    assert "is-bad" in page
    assert text in page
    assert not UserNote.objects.exists()


def test_older_notes_are_on_the_page_of_notes(browser: Client, adam: User, olive: User) -> None:
    for number in range(6):
        UserNote.objects.create(user=olive, author=adam, text=f"Note {number}")
    assert "Note 0" not in browser.get(url(olive, "change")).content.decode()
    assert "Note 0" in browser.get(url(olive)).content.decode()


def test_page_needs_a_fixed_number_of_queries(
    browser: Client, adam: User, olive: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(3):
        UserNote.objects.create(user=olive, author=adam, text="Note")
    browser.get(url(olive, "change"))
    with django_assert_num_queries(6):  # Session, permissions, the user, the page's address and the notes.
        browser.get(url(olive, "change"))


def test_notes_are_exported_without_their_author(browser: Client, olive: User) -> None:
    add(browser, olive, "Prefers email")
    with zipfile.ZipFile(BytesIO(build_archive(olive))) as archive:
        [note] = json.loads(archive.read("accounts.json"))["notes_by_administrators"]
    assert note.keys() == {"text", "created_at"}
    assert note["text"] == "Prefers email"


def test_notes_are_erased_with_the_user_and_not_added_afterwards(browser: Client, olive: User) -> None:
    add(browser, olive)
    User.objects.filter(pk=olive.pk).update(is_active=False, deleted_at=timezone.now())
    erase_user(olive.pk)
    assert not UserNote.objects.exists()
    assert "has been erased" in add(browser, olive)
    assert not UserNote.objects.exists()


def test_admin_who_lost_the_role_adds_no_note(browser: Client, adam: User, olive: User) -> None:
    User.objects.filter(pk=adam.pk).update(roles=[])
    assert browser.post(url(olive), {"text": TEXT}).status_code == 302
    assert not UserNote.objects.exists()
