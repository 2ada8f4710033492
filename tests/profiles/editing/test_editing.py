"""Editing the sections of a builder's page, as pages and in their place."""

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

from audit.log import Origin
from audit.models import AuditLog
from profiles.editing.sections import BUILDER_SECTIONS
from profiles.lifecycle import apply_changes
from profiles.models import BuilderProfile
from tests.helpers.clients import HTMX, impersonating, signed_in
from tests.helpers.factories import BuilderProfileFactory, UserFactory

pytestmark = pytest.mark.django_db

TYPED = {"display_name": "Olive O.", "headline": "Maps that work offline"}


@pytest.fixture
def page() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create(user__name="Olive Owner")
    return profile


def save(page: BuilderProfile, browser: Client, typed: dict[str, str] | None = None, **options: Any) -> Any:
    return browser.post(address(page), TYPED if typed is None else typed, **options)


def address(page: BuilderProfile, section: str = "introduction") -> str:
    return f"/builders/{page.slug}/edit/{section}/"


def opened(page: BuilderProfile, browser: Client, section: str = "introduction") -> dict[str, str]:
    """Return what a form that is opened now carries, to be posted with what is typed into it."""
    return {"opened": browser.get(address(page, section)).context["opened"]}


def test_the_owner_saves_and_lands_on_the_page(page: BuilderProfile) -> None:
    browser = signed_in(page.user)
    response = save(page, browser)
    assert (response.status_code, response["Location"]) == (302, f"/builders/{page.slug}/")
    shown = browser.get(response["Location"]).content.decode()
    assert "Olive O." in shown
    assert "Maps that work offline" in shown
    assert "Saved." in shown
    page.refresh_from_db()
    assert (page.display_name, page.headline) == ("Olive O.", "Maps that work offline")


def test_one_row_of_the_audit_log_tells_who_changed_what(page: BuilderProfile) -> None:
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


def test_the_audit_log_names_who_looks_through_a_persons_eyes(page: BuilderProfile) -> None:
    adam = UserFactory.create(admin=True)
    save(page, impersonating(page.user, adam))
    row = AuditLog.objects.get()
    assert (row.actor, row.impersonator) == (page.user, adam.clerk_id)


def test_saving_what_is_there_already_changes_nothing(page: BuilderProfile) -> None:
    browser = signed_in(page.user)
    save(page, browser)
    save(page, browser)
    assert AuditLog.objects.count() == 1


def test_htmx_puts_the_form_in_the_place_of_the_opening_and_back(page: BuilderProfile) -> None:
    browser = signed_in(page.user, headers=HTMX)
    form = browser.get(f"/builders/{page.slug}/edit/introduction/").content.decode()
    assert form.lstrip().startswith('<section class="section editing" id="editing-introduction"')
    assert '<h1 id="name" dir="auto" >Olive Owner</h1>' in form
    opening = save(page, browser).content.decode()
    assert opening.lstrip().startswith('<section class="section" id="section-introduction"')
    assert "Saved." in opening


@pytest.mark.parametrize("headers", (HTMX, {}))
def test_a_bad_form_is_shown_again_with_what_was_typed(page: BuilderProfile, headers: dict[str, str]) -> None:
    response = save(page, signed_in(page.user), {"headline": "x" * 161, "display_name": "Olive"}, headers=headers)
    text = response.content.decode()
    assert response.status_code == 422
    assert "Shorten this to 160 characters; it has 161." in text
    assert "x" * 161 in text
    page.refresh_from_db()
    assert (page.headline, page.display_name) == ("", "")


@pytest.mark.parametrize("typed", ("a\x00b", "\ud800"))
def test_characters_the_database_cannot_keep_are_refused_or_taken_out(page: BuilderProfile, typed: str) -> None:
    body = b"headline=" + ("".join(f"%{byte:02x}" for byte in typed.encode("utf-8", "surrogatepass"))).encode()
    response = signed_in(page.user).post(
        f"/builders/{page.slug}/edit/introduction/", body, content_type="application/x-www-form-urlencoded"
    )
    assert response.status_code in (302, 422)


def test_visitors_are_offered_no_form(page: BuilderProfile) -> None:
    for browser in (Client(), signed_in(UserFactory.create(builder=True))):
        text = browser.get(f"/builders/{page.slug}/").content.decode()
        assert "edit/" not in text
        assert "htmx" not in text
    assert "edit/" in signed_in(page.user).get(f"/builders/{page.slug}/").content.decode()


@pytest.mark.parametrize("section", BUILDER_SECTIONS.values(), ids=BUILDER_SECTIONS)
def test_every_section_has_a_page_and_a_place(page: BuilderProfile, section: Any) -> None:
    browser = signed_in(page.user)
    for headers in (HTMX, {}):
        form = browser.get(address(page, section.key), headers=headers).content.decode()
        assert str(section.save) in form
        # Its page begins in the first field; in its place a script does so, unless somebody is busy elsewhere.
        assert form.count(" autofocus") == (0 if headers else 1)
        assert ("<html" in form) == (not headers)
    shown = browser.get(f"/builders/{page.slug}/").content.decode()
    assert f'hx-get="{address(page, section.key)}" hx-target="#section-{section.key}"' in shown
    assert f'id="section-{section.key}"' in shown


def test_a_refused_form_does_not_show_what_was_typed_as_if_it_were_saved(page: BuilderProfile) -> None:
    typed = {"display_name": "Somebody else", "headline": "x" * 161}
    text = save(page, signed_in(page.user), typed, headers=HTMX).content.decode()
    assert "Olive Owner</h1>" in text
    text = signed_in(page.user).post(address(page, "visibility"), {"slug": "-"}, headers=HTMX).content.decode()
    assert f'action="{address(page, "visibility")}"' in text


def test_a_refused_form_says_where_to_look_and_begins_there(page: BuilderProfile) -> None:
    text = save(page, signed_in(page.user), {"headline": "x" * 161}).content.decode()
    assert "<title>Not saved: Introduction" in text
    assert '<a href="#id_headline">Headline</a>' in text
    [field] = [line for line in text.splitlines() if 'name="headline"' in line]
    for attribute in ("autofocus", 'aria-invalid="true"', 'aria-describedby="id_headline_helptext id_headline_error"'):
        assert attribute in field
    assert '<ul class="errorlist" id="id_headline_error">' in text


def test_saving_from_the_page_of_the_form_leaves_it_also_by_htmx(page: BuilderProfile) -> None:
    headers = HTMX | {"hx-current-url": f"http://testserver{address(page)}?draft=1"}
    response = save(page, signed_in(page.user), headers=headers)
    assert (response.status_code, response["HX-Redirect"]) == (200, f"/builders/{page.slug}/")


# --- Two people, or two tabs ---


@pytest.mark.parametrize("headers", (HTMX, {}))
def test_what_somebody_else_saved_meanwhile_is_not_overwritten(page: BuilderProfile, headers: dict[str, str]) -> None:
    browser = signed_in(page.user)
    typed = TYPED | opened(page, browser)
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


def test_it_is_said_who_changed_it_and_when(page: BuilderProfile) -> None:
    adam, eva = UserFactory.create(admin=True, name="Adam Admin"), UserFactory.create(admin=True, name="Eva Admin")
    everybody = {
        "owner": signed_in(page.user),
        "adam": signed_in(adam),
        "eva": signed_in(eva),
        "support": impersonating(page.user, eva),
    }
    told = {}
    for (here, reader), (there, writer) in itertools.product(everybody.items(), repeat=2):
        typed = TYPED | opened(page, reader)
        save(page, writer, {"headline": f"{here} {there}"})
        told[here, there] = save(page, reader, typed).context["change"].who
    own = "you in another tab"
    assert told == {
        ("owner", "owner"): own, ("owner", "adam"): "an admin", ("owner", "eva"): "an admin", ("owner", "support"): "our support",
        ("adam", "owner"): "Olive Owner", ("adam", "adam"): own, ("adam", "eva"): "Eva Admin", ("adam", "support"): "our support",
        ("eva", "owner"): "Olive Owner", ("eva", "adam"): "Adam Admin", ("eva", "eva"): own, ("eva", "support"): "our support",
        ("support", "owner"): "Olive Owner", ("support", "adam"): "an admin", ("support", "eva"): "an admin", ("support", "support"): own,
    }  # fmt: skip


@pytest.mark.parametrize("headers", (HTMX, {}))
def test_the_change_that_is_meant_is_of_this_section_and_its_time_is_told(
    page: BuilderProfile, headers: dict[str, str]
) -> None:
    browser = signed_in(page.user)
    typed = TYPED | opened(page, browser)
    with transaction.atomic():
        stored = BuilderProfile.objects.select_related("user").select_for_update(of=("self",)).get()
        apply_changes(stored, Origin(AuditLog.Source.WEBHOOK), headline="From Clerk")
    signed_in(UserFactory.create(admin=True)).post(address(page, "about"), {"bio": "Something else"})
    with time_machine.travel(timezone.now() + timedelta(minutes=3), tick=False):
        browser = signed_in(page.user)
        text = save(page, browser, typed, headers=headers).content.decode()
    assert "changed while you were editing it, by Clerk, <time" in text
    assert ">3\xa0minutes ago</time>." in text


def test_who_did_it_is_not_made_up(page: BuilderProfile) -> None:
    browser = signed_in(page.user)
    typed = TYPED | opened(page, browser)
    BuilderProfile.objects.update(headline="By nobody that the log knows")
    assert "by somebody else or in another tab" in save(page, browser, typed).content.decode()


def test_after_both_were_shown_ones_own_can_be_kept(page: BuilderProfile) -> None:
    browser = signed_in(page.user)
    typed = TYPED | opened(page, browser)
    save(page, browser, {"headline": "The other tab"})
    conflict = save(page, browser, typed)
    assert save(page, browser, typed | {"opened": conflict.context["opened"]}).status_code == 302
    page.refresh_from_db()
    assert page.headline == "Maps that work offline"


def test_a_third_version_is_a_conflict_again(page: BuilderProfile) -> None:
    browser = signed_in(page.user)
    typed = TYPED | opened(page, browser)
    save(page, browser, {"headline": "Second"})
    conflict = save(page, browser, typed)
    save(page, browser, {"headline": "Third"})
    assert save(page, browser, typed | {"opened": conflict.context["opened"]}).status_code == 409


def test_the_same_form_sent_twice_is_no_conflict(page: BuilderProfile) -> None:
    browser = signed_in(page.user)
    typed = TYPED | opened(page, browser)
    assert [save(page, browser, typed).status_code for _ in range(2)] == [302, 302]
    assert AuditLog.objects.count() == 1


def test_a_change_of_another_section_is_no_conflict(page: BuilderProfile) -> None:
    browser = signed_in(page.user)
    typed = TYPED | opened(page, browser)
    browser.post(address(page, "about"), {"bio": "Something else"})
    assert save(page, browser, typed).status_code == 302


def test_both_versions_are_shown_as_people_know_them(page: BuilderProfile) -> None:
    browser = signed_in(page.user)
    typed = {
        "availability": "limited",
        "available_for_hire": "on",
        "currency": "EUR",
        "time_zone": "",
        "hourly_rate": "90",
    }
    typed |= opened(page, browser, "terms")
    BuilderProfile.objects.update(hourly_rate="80.00", available_for_hire=False, time_zone="Europe/Warsaw")
    response = browser.post(address(page, "terms"), typed)
    shown = {each.label: (each.theirs, each.yours) for each in response.context["differences"]}
    assert shown == {
        "Availability": ("Available", "Limited"),
        "Available for hire": ("No", "Yes"),
        "Hourly rate": ("80.00", "90"),
        "Currency": ("USD", "EUR"),
        "Time zone": ("Europe/Warsaw", "Not said"),
    }


def test_what_is_typed_and_refused_stays_as_old_as_it_is(page: BuilderProfile) -> None:
    """Else mending a slip of the keyboard would overwrite what was saved meanwhile."""
    browser = signed_in(page.user)
    typed = opened(page, browser)
    save(page, browser, {"headline": "The other tab"})
    refused = save(page, browser, typed | {"headline": "x" * 161})
    assert f'name="opened" value="{typed["opened"]}"' in refused.content.decode()


# --- Rate and availability ---


TERMS = {"availability": "available", "available_for_hire": "on", "currency": "USD", "time_zone": ""}


def test_saving_confirms_the_availability_also_if_nothing_changed(page: BuilderProfile) -> None:
    signed_in(page.user).post(address(page, "terms"), TERMS)
    page.refresh_from_db()
    assert page.availability_confirmed_at is not None
    assert AuditLog.objects.get().changed_fields == ["availability_confirmed_at"]


def test_an_admin_cannot_confirm_it_for_somebody(page: BuilderProfile) -> None:
    signed_in(UserFactory.create(admin=True)).post(address(page, "terms"), TERMS | {"availability": "limited"})
    page.refresh_from_db()
    assert (page.availability, page.availability_confirmed_at) == ("limited", None)


@pytest.mark.parametrize("target", ("/account/", "", "https://elsewhere.example/", "account"))
def test_the_switch_sets_it_and_goes_back(page: BuilderProfile, target: str) -> None:
    response = signed_in(page.user).post(
        f"/builders/{page.slug}/availability/", {"availability": "unavailable", "next": target}
    )
    expected = target if target == "/account/" else f"/builders/{page.slug}/"
    assert (response.status_code, response["Location"]) == (302, expected)
    page.refresh_from_db()
    assert page.availability == "unavailable"
    assert page.availability_confirmed_at is not None


def test_by_htmx_the_switch_comes_back_with_the_section_it_changes(page: BuilderProfile) -> None:
    switch, browser = f"/builders/{page.slug}/availability/", signed_in(page.user)
    on_page = HTMX | {"hx-current-url": f"http://testserver/builders/{page.slug}/?from=here"}
    answers = [
        browser.post(switch, {"availability": "limited"}, headers=headers).content.decode()
        for headers in (HTMX, on_page)
    ]
    assert all('value="limited" aria-pressed="true"' in answer for answer in answers)
    assert ['id="section-terms"' in answer for answer in answers] == [False, True]


@pytest.mark.parametrize("typed", ({}, {"availability": "sometimes"}, {"availability": "\x00"}))
def test_the_switch_knows_three_positions(page: BuilderProfile, typed: dict[str, str]) -> None:
    response = signed_in(page.user).post(f"/builders/{page.slug}/availability/", typed, headers=HTMX)
    assert response.status_code == 422
    assert 'role="alert"' in response.content.decode()
    assert not AuditLog.objects.exists()


def test_without_script_a_refusal_does_not_look_like_a_success(page: BuilderProfile) -> None:
    browser, switch = signed_in(page.user), f"/builders/{page.slug}/availability/"
    refused = browser.post(switch, {"availability": "sometimes"}, follow=True).content.decode()
    assert '<p class="mark mark--attention">Choose from what is offered.</p>' in refused
    saved = browser.post(switch, {"availability": "limited"}, follow=True).content.decode()
    assert '<p class="mark mark--good">Saved.</p>' in saved


# --- The bar above the page ---


@pytest.mark.parametrize("who", ("owner", "admin"))
def test_what_is_saved_in_place_brings_the_bar_along(page: BuilderProfile, who: str) -> None:
    admin = UserFactory.create(admin=True)
    browser = signed_in(page.user if who == "owner" else admin, headers=HTMX)
    text = save(page, browser).content.decode()
    bars = {name: f'id="{name}-bar" hx-swap-oob="true"' in text for name in ("owner", "admin")}
    assert bars == {name: name == who for name in bars}


@pytest.mark.parametrize(("who", "more"), (("owner", 1), ("admin", 0)))
def test_the_bar_costs_a_query_for_the_owner_only(
    page: BuilderProfile, django_assert_num_queries: DjangoAssertNumQueries, who: str, more: int
) -> None:
    browser = signed_in(page.user if who == "owner" else UserFactory.create(admin=True))
    save(page, browser)
    with CaptureQueriesContext(connection) as without:
        save(page, browser)
    with django_assert_num_queries(len(without) + more):
        save(page, browser, headers=HTMX)


def test_without_htmx_and_to_visitors_no_bar_is_swapped(page: BuilderProfile) -> None:
    assert "hx-swap-oob" not in signed_in(page.user).get(f"/builders/{page.slug}/").content.decode()
    visitor = signed_in(UserFactory.create(builder=True), headers=HTMX)
    for answer in (visitor.get(f"/builders/{page.slug}/"), save(page, visitor)):
        assert "-bar" not in answer.content.decode()


def test_on_the_page_the_switch_comes_back_in_the_bar(page: BuilderProfile) -> None:
    on_page = HTMX | {"hx-current-url": f"http://testserver/builders/{page.slug}/"}
    answer = signed_in(page.user).post(
        f"/builders/{page.slug}/availability/", {"availability": "limited"}, headers=on_page
    )
    text = answer.content.decode()
    assert text.count('id="owner-bar"') == 1
    assert 'value="limited" aria-pressed="true"' in text
    assert "You confirmed this a moment ago." in text
