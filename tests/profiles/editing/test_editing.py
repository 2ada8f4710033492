"""Editing a builder page's sections, both in place and on separate pages."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from audit.log import Actor
from audit.models import AuditLog
from core.markdown import MAX_LENGTH, to_html
from profiles.editing.sections import BUILDER_SECTIONS
from profiles.flags import IN_PLACE_EDITING
from profiles.lifecycle import apply_changes
from profiles.models import BuilderProfile
from tests.helpers.clients import HTMX, impersonating, signed_in
from tests.helpers.factories import BuilderProfileFactory, UserFactory
from tests.helpers.flags import set_flag

pytestmark = pytest.mark.django_db

TYPED = {"display_name": "Olive O.", "headline": "Maps that work offline"}


@pytest.fixture
def page() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create(
        user__name="Olive Owner", headline="", availability="available"
    )
    return profile


def save(page: BuilderProfile, browser: Client, typed: dict[str, str] | None = None, **options: Any) -> Any:
    return browser.post(form_url(page), TYPED if typed is None else typed, **options)


def form_url(page: BuilderProfile, section: str = "introduction") -> str:
    return f"/builders/{page.slug}/edit/{section}/"


def preview_url(page: BuilderProfile) -> str:
    return f"/builders/{page.slug}/preview/"


def bio_form(page: BuilderProfile) -> str:
    return str(signed_in(page.user).get(form_url(page, "about")).content.decode())


def current_version(page: BuilderProfile, browser: Client, section: str = "introduction") -> dict[str, str]:
    """Return the hidden version field for a form that is opened now."""
    return {"version": browser.get(form_url(page, section)).context["version"]}


def test_saving_redirects_owner_to_the_page(page: BuilderProfile) -> None:
    browser = signed_in(page.user)
    response = save(page, browser)
    assert (response.status_code, response["Location"]) == (302, f"/builders/{page.slug}/")
    shown = browser.get(response["Location"]).content.decode()
    assert "Olive O." in shown
    assert "Maps that work offline" in shown
    assert "Saved." in shown
    page.refresh_from_db()
    assert (page.display_name, page.headline) == ("Olive O.", "Maps that work offline")


def test_saving_writes_one_audit_row(page: BuilderProfile) -> None:
    adam = UserFactory.create(admin=True, name="Adam Admin")
    save(page, signed_in(adam))
    row = AuditLog.objects.get()
    assert (row.action, row.source, row.actor, row.subject, row.impersonator) == (
        "PROFILE_UPDATED",
        "request",
        adam,
        page.user,
        None,
    )
    assert row.details == {
        "display_name": ["", "Olive O."],
        "headline": ["", "Maps that work offline"],
    }


def test_audit_row_names_the_impersonator(page: BuilderProfile) -> None:
    adam = UserFactory.create(admin=True)
    save(page, impersonating(page.user, adam))
    row = AuditLog.objects.get()
    assert (row.actor, row.impersonator) == (page.user, adam.clerk_id)


def test_saving_unchanged_values_writes_no_audit_row(page: BuilderProfile) -> None:
    browser = signed_in(page.user)
    save(page, browser)
    save(page, browser)
    assert AuditLog.objects.count() == 1


def test_htmx_swaps_section_for_form_and_back(page: BuilderProfile) -> None:
    browser = signed_in(page.user, headers=HTMX)
    form = browser.get(f"/builders/{page.slug}/edit/introduction/").content.decode()
    assert form.lstrip().startswith('<section class="section editing" id="editing-introduction"')
    assert '<h1 id="name" dir="auto" >Olive Owner</h1>' in form
    section = save(page, browser).content.decode()
    assert section.lstrip().startswith('<section class="section" id="section-introduction"')
    assert "Saved." in section


@pytest.mark.parametrize("headers", (HTMX, {}))
def test_invalid_form_keeps_submitted_values(page: BuilderProfile, headers: dict[str, str]) -> None:
    response = save(page, signed_in(page.user), {"headline": "x" * 161, "display_name": "Olive"}, headers=headers)
    text = response.content.decode()
    assert response.status_code == 422
    assert "Use 160 characters or fewer. You entered 161." in text
    assert "x" * 161 in text
    page.refresh_from_db()
    assert (page.headline, page.display_name) == ("", "")


@pytest.mark.parametrize("typed", ("a\x00b", "\ud800"))
def test_characters_the_database_cannot_store_are_rejected_or_removed(page: BuilderProfile, typed: str) -> None:
    body = b"headline=" + ("".join(f"%{byte:02x}" for byte in typed.encode("utf-8", "surrogatepass"))).encode()
    response = signed_in(page.user).post(
        f"/builders/{page.slug}/edit/introduction/", body, content_type="application/x-www-form-urlencoded"
    )
    assert response.status_code in (302, 422)


def test_visitors_see_no_edit_links(page: BuilderProfile) -> None:
    for browser in (Client(), signed_in(UserFactory.create(builder=True))):
        text = browser.get(f"/builders/{page.slug}/").content.decode()
        assert "edit/" not in text
        assert "htmx" not in text
    assert "edit/" in signed_in(page.user).get(f"/builders/{page.slug}/").content.decode()


@pytest.mark.parametrize("section", BUILDER_SECTIONS.values(), ids=BUILDER_SECTIONS)
def test_every_section_can_be_edited_in_place_and_on_its_own_page(page: BuilderProfile, section: Any) -> None:
    browser = signed_in(page.user)
    for headers in (HTMX, {}):
        form = browser.get(form_url(page, section.key), headers=headers).content.decode()
        assert str(section.save) in form
        # On a separate page, the first field has autofocus. In place, a script focuses it unless the focus is
        # elsewhere.
        assert form.count(" autofocus") == (0 if headers else 1)
        assert ("<html" in form) == (not headers)
    shown = browser.get(f"/builders/{page.slug}/").content.decode()
    assert f'hx-get="{form_url(page, section.key)}" hx-target="#section-{section.key}"' in shown
    assert f'id="section-{section.key}"' in shown


def test_page_around_an_invalid_form_shows_stored_values(page: BuilderProfile) -> None:
    typed = {"display_name": "Another name", "headline": "x" * 161}
    text = save(page, signed_in(page.user), typed, headers=HTMX).content.decode()
    assert "Olive Owner</h1>" in text
    text = signed_in(page.user).post(form_url(page, "visibility"), {"slug": "-"}, headers=HTMX).content.decode()
    assert f'action="{form_url(page, "visibility")}"' in text


def test_invalid_form_links_to_and_focuses_the_error(page: BuilderProfile) -> None:
    text = save(page, signed_in(page.user), {"headline": "x" * 161}).content.decode()
    assert "<title>Not saved: Introduction" in text
    assert '<a href="#id_headline">Headline</a>' in text
    [field] = [line for line in text.splitlines() if 'name="headline"' in line]
    for attribute in ("autofocus", 'aria-invalid="true"', 'aria-describedby="id_headline_helptext id_headline_error"'):
        assert attribute in field
    assert '<ul class="errorlist" id="id_headline_error">' in text


def test_saving_by_htmx_on_form_page_redirects(page: BuilderProfile) -> None:
    headers = HTMX | {"hx-current-url": f"http://testserver{form_url(page)}?draft=1"}
    response = save(page, signed_in(page.user), headers=headers)
    assert (response.status_code, response["HX-Redirect"]) == (200, f"/builders/{page.slug}/")


# --- Edit conflicts ---


@pytest.mark.parametrize("headers", (HTMX, {}))
def test_newer_version_is_not_overwritten(page: BuilderProfile, headers: dict[str, str]) -> None:
    browser = signed_in(page.user)
    typed = TYPED | current_version(page, browser)
    save(page, signed_in(UserFactory.create(admin=True)), {"display_name": "Olive O.", "headline": "Theirs & <b>"})
    response = save(page, browser, typed, headers=headers)
    assert response.status_code == 409
    text = response.content.decode()
    assert "Theirs &amp; &lt;b&gt;" in text
    assert 'value="Maps that work offline"' in text
    assert [difference.label for difference in response.context["differences"]] == ["Headline"]
    page.refresh_from_db()
    assert page.headline == "Theirs & <b>"
    assert AuditLog.objects.count() == 1


def test_conflict_names_who_saved_last(page: BuilderProfile) -> None:
    adam, eva = UserFactory.create(admin=True, name="Adam Admin"), UserFactory.create(admin=True, name="Eva Admin")
    browsers = {
        "owner": signed_in(page.user),
        "adam": signed_in(adam),
        "eva": signed_in(eva),
        "support": impersonating(page.user, eva),
    }
    shown = {}
    for (here, reader), (there, writer) in itertools.product(browsers.items(), repeat=2):
        typed = TYPED | current_version(page, reader)
        save(page, writer, {"headline": f"{here} {there}"})
        shown[here, there] = save(page, reader, typed).context["change"].by
    own = "you in another tab"
    assert shown == {
        ("owner", "owner"): own, ("owner", "adam"): "an admin", ("owner", "eva"): "an admin", ("owner", "support"): "our support team",
        ("adam", "owner"): "Olive Owner", ("adam", "adam"): own, ("adam", "eva"): "Eva Admin", ("adam", "support"): "our support team",
        ("eva", "owner"): "Olive Owner", ("eva", "adam"): "Adam Admin", ("eva", "eva"): own, ("eva", "support"): "our support team",
        ("support", "owner"): "Olive Owner", ("support", "adam"): "an admin", ("support", "eva"): "an admin", ("support", "support"): own,
    }  # fmt: skip


@pytest.mark.parametrize("headers", (HTMX, {}))
def test_conflict_shows_time_of_last_change_to_this_section(page: BuilderProfile, headers: dict[str, str]) -> None:
    browser = signed_in(page.user)
    typed = TYPED | current_version(page, browser)
    with transaction.atomic():
        stored = BuilderProfile.objects.select_related("user").select_for_update(of=("self",)).get()
        apply_changes(stored, actor=Actor(AuditLog.Source.WEBHOOK), headline="From Clerk")
    signed_in(UserFactory.create(admin=True)).post(form_url(page, "about"), {"bio": "Something else"})
    with time_machine.travel(timezone.now() + timedelta(minutes=3), tick=False):
        browser = signed_in(page.user)
        text = save(page, browser, typed, headers=headers).content.decode()
    assert "changed while you were editing it, by Clerk, 3\xa0minutes\xa0ago.</time>" in text


def test_unaudited_change_is_reported_without_actor(page: BuilderProfile) -> None:
    browser = signed_in(page.user)
    typed = TYPED | current_version(page, browser)
    BuilderProfile.objects.update(headline="Changed without an audit row")
    assert "This section was changed while you were editing it." in save(page, browser, typed).content.decode()


def test_own_version_can_be_saved_after_a_conflict(page: BuilderProfile) -> None:
    browser = signed_in(page.user)
    typed = TYPED | current_version(page, browser)
    save(page, browser, {"headline": "The other tab"})
    conflict = save(page, browser, typed)
    assert save(page, browser, typed | {"version": conflict.context["version"]}).status_code == 302
    page.refresh_from_db()
    assert page.headline == "Maps that work offline"


def test_third_version_causes_another_conflict(page: BuilderProfile) -> None:
    browser = signed_in(page.user)
    typed = TYPED | current_version(page, browser)
    save(page, browser, {"headline": "Second"})
    conflict = save(page, browser, typed)
    save(page, browser, {"headline": "Third"})
    assert save(page, browser, typed | {"version": conflict.context["version"]}).status_code == 409


def test_double_submit_is_not_a_conflict(page: BuilderProfile) -> None:
    browser = signed_in(page.user)
    typed = TYPED | current_version(page, browser)
    assert [save(page, browser, typed).status_code for _ in range(2)] == [302, 302]
    assert AuditLog.objects.count() == 1


def test_change_to_another_section_is_not_a_conflict(page: BuilderProfile) -> None:
    browser = signed_in(page.user)
    typed = TYPED | current_version(page, browser)
    browser.post(form_url(page, "about"), {"bio": "Something else"})
    assert save(page, browser, typed).status_code == 302


def test_conflict_shows_labels_instead_of_stored_values(page: BuilderProfile) -> None:
    browser = signed_in(page.user)
    typed = {
        "availability": "limited",
        "available_for_hire": "on",
        "currency": "EUR",
        "time_zone": "",
        "hourly_rate": "90",
    }
    typed |= current_version(page, browser, "terms")
    BuilderProfile.objects.update(hourly_rate="80.00", available_for_hire=False, time_zone="Europe/Warsaw")
    response = browser.post(form_url(page, "terms"), typed)
    shown = {each.label: (each.stored, each.submitted) for each in response.context["differences"]}
    assert shown == {
        "Availability": ("Unavailable", "Limited"),
        "Hourly rate": ("80.00", "90"),
        "Currency": ("USD · US dollar", "EUR · Euro"),
        "Time zone": ("Europe/Warsaw", "Not stated"),
    }


def test_invalid_form_keeps_its_version(page: BuilderProfile) -> None:
    """Otherwise, correcting an error would overwrite values that were saved in the meantime."""
    browser = signed_in(page.user)
    typed = current_version(page, browser)
    save(page, browser, {"headline": "The other tab"})
    rejected = save(page, browser, typed | {"headline": "x" * 161})
    assert f'name="version" value="{typed["version"]}"' in rejected.content.decode()


# --- Rate and availability ---


TERMS = {"availability": "available", "available_for_hire": "on", "currency": "USD", "time_zone": ""}


def test_saving_unchanged_terms_confirms_availability(page: BuilderProfile) -> None:
    signed_in(page.user).post(form_url(page, "terms"), TERMS)
    page.refresh_from_db()
    assert page.availability_confirmed_at is not None
    assert AuditLog.objects.get().changed_fields == ["availability_confirmed_at"]


def test_admin_does_not_confirm_availability_by_saving(page: BuilderProfile) -> None:
    signed_in(UserFactory.create(admin=True)).post(form_url(page, "terms"), TERMS | {"availability": "limited"})
    page.refresh_from_db()
    assert (page.availability, page.availability_confirmed_at) == ("limited", None)


@pytest.mark.parametrize("path", ("edit/terms/", "availability/"))
def test_availability_is_one_control(page: BuilderProfile, path: str) -> None:
    """Otherwise, a page could say "Unavailable" after its owner chose "Available"."""
    BuilderProfile.objects.update(available_for_hire=False)
    browser = signed_in(page.user)
    text = browser.get(form_url(page, "terms")).text
    assert '<option value="unavailable" selected>' in text
    assert 'name="available_for_hire"' not in text
    for chosen in ("available", "unavailable", "limited"):
        values = {"availability": chosen, "currency": "USD"}
        assert browser.post(f"/builders/{page.slug}/{path}", values).status_code == 302
        page.refresh_from_db()
        assert page.effective_availability == page.chosen_availability == chosen
        assert page.available_for_hire is (chosen != "unavailable")


@pytest.mark.parametrize("target", ("/account/", "", "https://elsewhere.example/", "account"))
def test_switch_sets_availability_and_redirects_back(page: BuilderProfile, target: str) -> None:
    response = signed_in(page.user).post(
        f"/builders/{page.slug}/availability/", {"availability": "unavailable", "next": target}
    )
    expected = target if target == "/account/" else f"/builders/{page.slug}/"
    assert (response.status_code, response["Location"]) == (302, expected)
    page.refresh_from_db()
    assert page.availability == "unavailable"
    assert page.availability_confirmed_at is not None


def test_switch_by_htmx_on_builder_page_includes_terms_section(page: BuilderProfile) -> None:
    switch, browser = f"/builders/{page.slug}/availability/", signed_in(page.user)
    on_page = HTMX | {"hx-current-url": f"http://testserver/builders/{page.slug}/?from=here"}
    responses = [
        browser.post(switch, {"availability": "limited"}, headers=headers).content.decode()
        for headers in (HTMX, on_page)
    ]
    assert all('value="limited" aria-pressed="true"' in response for response in responses)
    assert ['id="section-terms"' in response for response in responses] == [False, True]


@pytest.mark.parametrize("typed", ({}, {"availability": "sometimes"}, {"availability": "\x00"}))
def test_switch_rejects_unknown_values(page: BuilderProfile, typed: dict[str, str]) -> None:
    response = signed_in(page.user).post(f"/builders/{page.slug}/availability/", typed, headers=HTMX)
    assert response.status_code == 422
    assert 'role="alert"' in response.content.decode()
    assert not AuditLog.objects.exists()


def test_error_without_javascript_is_not_shown_as_success(page: BuilderProfile) -> None:
    browser, switch = signed_in(page.user), f"/builders/{page.slug}/availability/"
    rejected = browser.post(switch, {"availability": "sometimes"}, follow=True).content.decode()
    assert '<p class="mark mark--attention">Choose one of the options.</p>' in rejected
    saved = browser.post(switch, {"availability": "limited"}, follow=True).content.decode()
    assert '<p class="mark mark--good">Saved.</p>' in saved


# --- The bar above the page ---


@pytest.mark.parametrize("who", ("owner", "admin"))
def test_saving_in_place_updates_the_bar(page: BuilderProfile, who: str) -> None:
    admin = UserFactory.create(admin=True)
    browser = signed_in(page.user if who == "owner" else admin, headers=HTMX)
    text = save(page, browser).content.decode()
    bars = {name: f'id="{name}-bar" hx-swap-oob="true"' in text for name in ("owner", "admin")}
    assert bars == {name: name == who for name in bars}


@pytest.mark.parametrize(("who", "extra_queries"), (("owner", 1), ("admin", 0)))
def test_updating_the_bar_takes_one_query_for_owners_and_none_for_admins(
    page: BuilderProfile, django_assert_num_queries: DjangoAssertNumQueries, who: str, extra_queries: int
) -> None:
    browser = signed_in(page.user if who == "owner" else UserFactory.create(admin=True))
    save(page, browser)
    with CaptureQueriesContext(connection) as without:
        save(page, browser)
    with django_assert_num_queries(len(without) + extra_queries):
        save(page, browser, headers=HTMX)


def test_bar_is_not_swapped_without_htmx_or_for_visitors(page: BuilderProfile) -> None:
    assert "hx-swap-oob" not in signed_in(page.user).get(f"/builders/{page.slug}/").content.decode()
    visitor = signed_in(UserFactory.create(builder=True), headers=HTMX)
    for answer in (visitor.get(f"/builders/{page.slug}/"), save(page, visitor)):
        assert "-bar" not in answer.content.decode()


def test_switch_on_builder_page_returns_the_bar(page: BuilderProfile) -> None:
    on_page = HTMX | {"hx-current-url": f"http://testserver/builders/{page.slug}/"}
    answer = signed_in(page.user).post(
        f"/builders/{page.slug}/availability/", {"availability": "limited"}, headers=on_page
    )
    text = answer.content.decode()
    assert text.count('id="owner-bar"') == 1
    assert 'value="limited" aria-pressed="true"' in text
    assert "Confirmed a moment ago." in text


def test_preview_matches_the_rendered_page(page: BuilderProfile) -> None:
    written = {"text": "*a* ~~b~~ https://x.example\r\n<script>"}
    response = signed_in(page.user).post(preview_url(page), written)
    assert response.content.decode() == to_html("*a* ~~b~~ https://x.example\n<script>")
    page.refresh_from_db()
    assert page.bio == ""


@pytest.mark.parametrize("text", ("", "a" * 200_000, "a\x00b", "\u202e[a](javascript:alert(1))"))
def test_preview_accepts_any_text(page: BuilderProfile, text: str) -> None:
    response = signed_in(page.user).post(preview_url(page), {"text": text})
    assert response.status_code == 200
    assert len(response.content) <= MAX_LENGTH + 100


def test_bio_form_has_a_preview_only_with_scripts(page: BuilderProfile) -> None:
    assert f'data-markdown-preview="{preview_url(page)}"' in bio_form(page)
    set_flag(IN_PLACE_EDITING, everyone=False)
    assert "data-markdown-preview" not in bio_form(page)
