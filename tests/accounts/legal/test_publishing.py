"""Publish legal texts in the admin. Published versions never change."""

import threading

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client

from accounts.legal import services
from accounts.legal.services import PublicationError
from accounts.models import LegalVersion, User
from audit.log import Actor
from audit.models import AuditLog
from tests.accounts.legal.conftest import Document, Publish
from tests.helpers.clients import signed_in

URL = "/admin/accounts/legalversion/publish/terms/"


@pytest.fixture
def browser(adam: User) -> Client:
    return signed_in(adam)


@pytest.mark.django_db
class TestForm:
    def test_first_version_starts_from_the_starting_text(self, browser: Client) -> None:
        shown = browser.get(URL).text
        assert "[name of the company]" in shown
        assert 'name="based_on" value="0"' in shown

    def test_published_version_has_author_time_and_changes(self, browser: Client, adam: User) -> None:
        response = browser.post(URL, {"based_on": "0", "text_en": "One", "text_de": "Eins"})
        assert (response.status_code, response["Location"]) == (302, "/admin/accounts/legalversion/")
        shown = browser.get(URL).text
        assert "Eins" in shown
        assert 'name="based_on" value="1"' in shown
        browser.post(URL, {"based_on": "1", "text_en": "Two", "text_de": "Eins", "changes": "One became two."})
        second, first = LegalVersion.objects.all()
        assert (first.number, first.texts, first.published_by) == (1, {"en": "One", "de": "Eins"}, adam)
        assert (second.number, second.texts["en"], second.changes) == (2, "Two", "One became two.")
        row = AuditLog.objects.filter(action="LEGAL_TEXT_PUBLISHED").latest("pk")
        assert (row.actor_id, row.target_label) == (adam.pk, "Terms of use 2")
        assert (row.details or {})["version"] == [1, 2]
        assert "One became two." in browser.get("/admin/accounts/legalversion/").text

    @pytest.mark.parametrize(
        ("fields", "message"),
        (
            ({"based_on": "0"}, "Enter the text in at least one language."),
            ({"based_on": "0", "text_en": " \n "}, "Enter the text in at least one language."),
            ({"based_on": "0", "text_de": "Von [name of the company]"}, "Replace “[name of the company]”"),
            ({"based_on": "0", "text_en": "x" * 60_001}, "Use 60000 characters or fewer."),
            ({"based_on": "1", "text_en": "Text"}, "Describe what changed"),
            ({"based_on": "1", "text_en": "Text", "changes": "Nothing"}, "while you were editing"),
            ({"based_on": "x" * 50, "text_en": "Text"}, "Enter a whole number."),
            ({"text_en": "Text"}, "This field is required."),
        ),
    )
    def test_invalid_text_is_rejected_and_kept(self, browser: Client, fields: dict[str, str], message: str) -> None:
        response = browser.post(URL, fields)
        assert response.status_code == 200
        assert message in response.text
        assert fields.get("text_en", "")[:100] in response.text
        assert not LegalVersion.objects.exists()

    def test_control_characters_are_removed(self, browser: Client) -> None:
        browser.post(URL, {"based_on": "0", "text_en": "A\x00B\x1b[31mC"})
        assert "\x00" not in LegalVersion.objects.get().texts["en"]

    def test_preview_publishes_nothing(self, browser: Client) -> None:
        response = browser.post(
            URL, {"based_on": "0", "preview": "1", "text_en": "# A <script>\n\n[name of the company]"}
        )
        assert "<h2>A &lt;script&gt;</h2>" in response.text
        assert not LegalVersion.objects.exists()

    def test_list_names_the_starting_texts(self, browser: Client, publish: Publish) -> None:
        publish("Text", Document.PRIVACY)
        assert "before people use the site: Terms of use, Contact</p>" in browser.get(
            "/admin/accounts/legalversion/"
        ).text.replace("\n", "")

    def test_equal_text_is_not_published_again(self, publish: Publish, adam: User) -> None:
        publish("Text")
        with pytest.raises(PublicationError, match="the same as version 1"):
            publish("Text")

    def test_second_admin_does_not_overwrite_a_newer_version(self, publish: Publish) -> None:
        publish("One")
        publish("Two")
        with pytest.raises(PublicationError, match="Version 2 was published while you were editing"):
            publish("Another", based_on=1)


@pytest.mark.django_db
class TestPublishedVersion:
    @pytest.mark.parametrize(
        "sql", ("UPDATE accounts_legalversion SET texts = '{}'", "DELETE FROM accounts_legalversion")
    )
    def test_database_rejects_changes(self, publish: Publish, sql: str) -> None:
        publish("Text")
        with (
            pytest.raises(DatabaseError, match="Publish a new version"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)

    def test_model_rejects_changes(self, publish: Publish) -> None:
        version = publish("Text")
        with pytest.raises(TypeError, match="cannot be changed"):
            version.save()
        with pytest.raises(TypeError, match="cannot be deleted"):
            version.delete()


@pytest.mark.django_db(transaction=True)
def test_two_simultaneous_publications_create_one_version(adam: User) -> None:
    """The second one is rejected, because its author has not seen the first one."""
    start, outcomes = threading.Barrier(2), list[str]()

    def run(text: str) -> None:
        start.wait()
        try:
            services.publish(Document.TERMS, {"en": text}, changes="", based_on=0, actor=Actor(user=adam))
            outcomes.append("published")
        except PublicationError:
            outcomes.append("rejected")
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[text]) for text in ("One", "Two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["published", "rejected"]
    assert LegalVersion.objects.count() == 1
