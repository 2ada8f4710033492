"""Languages, experience, start date, days a week and smallest project: on pages and cards, in forms, the API and filters."""

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone, translation

from profiles import personal_data
from profiles.directory import exchange_rates
from profiles.localization import guessed_currency, languages, time_zones
from profiles.models import BuilderProfile, Currency
from tests.helpers.clients import signed_in
from tests.helpers.factories import BuilderProfileFactory, ProjectFactory

pytestmark = pytest.mark.django_db
ABOUT = {
    "languages_0": "pl",
    "languages_1": "native",
    "languages_4": "en",
    "page_language": "pl",
    "years_experience": "12",
}
TERMS = {
    "availability": "limited",
    "available_for_hire": "on",
    "currency": "EUR",
    "available_from": "2999-01-01",
    "days_per_week": "3",
    "min_project": "2000",
}


@pytest.fixture
def olive() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create(slug="olive", headline="Mapy", location="Gdańsk, Poland")
    ProjectFactory.create(builder=profile, title="Mapa", description="Opis")
    return profile


def save(profile: BuilderProfile, section: str, values: dict[str, str]) -> Any:
    response = signed_in(profile.user).post(f"/builders/olive/edit/{section}/", values)
    profile.refresh_from_db()
    return response


class TestForms:
    def test_about_form_saves_languages_and_experience(self, olive: BuilderProfile) -> None:
        assert save(olive, "about", ABOUT).status_code == 302
        assert olive.languages == ["pl:native", "en"]
        assert (olive.page_language, olive.years_experience) == ("pl", 12)

    def test_form_shows_saved_languages_and_a_blank_row(self, olive: BuilderProfile) -> None:
        save(olive, "about", ABOUT)
        text = signed_in(olive.user).get("/builders/olive/edit/about/").text
        assert '<option value="pl" selected>Polish · Polski</option>' in text
        assert '<option value="native" selected>Native</option>' in text
        assert 'aria-label="Level of language 3"' in text
        assert 'aria-label="Language 4"' not in text

    @pytest.mark.parametrize(
        "values",
        (
            {"languages_0": "xx"},
            {"languages_0": "pl", "languages_1": "best"},
            {"languages_0": "pl", "languages_2": "pl", "languages_3": "basic"},
            {"page_language": "klingon"},
            {"years_experience": "71"},
            {"years_experience": "-1"},
        ),
    )
    def test_invalid_about_form_is_rejected(self, olive: BuilderProfile, values: dict[str, str]) -> None:
        response = save(olive, "about", values)
        assert response.status_code == 422
        assert olive.languages == []

    def test_terms_form_saves_start_days_and_smallest_project(self, olive: BuilderProfile) -> None:
        soon = timezone.localdate() + timedelta(days=30)
        assert save(olive, "terms", TERMS | {"available_from": soon.isoformat()}).status_code == 302
        assert (olive.available_from, olive.days_per_week, olive.min_project) == (soon, 3, 2000)

    @pytest.mark.parametrize(
        "values",
        ({"available_from": "2999-01-01"}, {"available_from": "soon"}, {"days_per_week": "8"}, {"min_project": "0"}),
    )
    def test_invalid_terms_form_is_rejected(self, olive: BuilderProfile, values: dict[str, str]) -> None:
        assert save(olive, "terms", TERMS | {"available_from": ""} | values).status_code == 422


class TestPages:
    @pytest.fixture(autouse=True)
    def facts(self, olive: BuilderProfile) -> None:
        facts = {"languages": ["pl:native", "en"], "page_language": "pl", "years_experience": 12, "bio": "Buduję."}
        facts |= {"days_per_week": 3, "min_project": 2000, "currency": "EUR", "tagline": "Zawsze"}
        BuilderProfile.objects.update(**facts, available_from=date(2027, 2, 1))

    def test_page_shows_all_facts(self, client: Client) -> None:
        with time_machine.travel("2026-11-29"):
            text = client.get("/builders/olive/").text
        shown = (
            "Polish (native)",
            "<li>English</li>",
            "12</span> years",
            "Feb. 1, 2027",
            "3</span> days a week",
            "€2,000",
        )
        assert [each for each in shown if each not in text] == []

    def test_past_start_date_is_not_shown(self, client: Client) -> None:
        with time_machine.travel("2027-02-01"):
            assert "Feb. 1, 2027" not in client.get("/builders/olive/").text

    def test_builder_text_has_a_lang_attribute(self, client: Client) -> None:
        text = client.get("/builders/olive/").text
        for element in ("person__headline", "person__tagline", "prose"):
            assert f'class="{element}" dir="auto" lang="pl"' in text
        assert re.search(r'dir="auto" lang="pl"><a href="[^"]+">Mapa</a></h3>', text)
        assert '<div dir="auto" lang="pl"><p>Opis</p></div>' in text
        assert 'class="card__headline" dir="auto" lang="pl"' in client.get("/builders/").text

    def test_card_shows_place_and_languages(self, client: Client) -> None:
        assert "<bdi>Gdańsk, Poland</bdi> <span>Polish, English</span>" in client.get("/builders/").text

    def test_structured_data_contains_the_languages(self, client: Client) -> None:
        assert '"knowsLanguage":["pl","en"]' in client.get("/builders/olive/").text

    def test_facts_are_erased(self, olive: BuilderProfile) -> None:
        personal_data.erase(olive.user)
        olive.refresh_from_db()
        assert (olive.languages, olive.page_language, olive.years_experience) == ([], "", None)
        assert (olive.available_from, olive.days_per_week, olive.min_project) == (None, None, None)


class TestApi:
    def test_api_returns_and_updates_facts(self, olive: BuilderProfile) -> None:
        new = {
            "languages": ["pl:native", "en"],
            "years_experience": 12,
            "available_from": "2027-02-01",
            "days_per_week": "3",
        }
        url = f"/api/profiles/builders/{olive.pk}"
        with time_machine.travel("2026-11-29", tick=False):
            owner = signed_in(olive.user)
            response = owner.patch(url, new, "application/json", headers={"If-Match": "*"})
        assert response.status_code == 200, response.text
        found = Client().get(url).json()
        assert found | new | {"days_per_week": 3} == found

    @pytest.mark.parametrize("value", ("pl", ["xx"], [1], ["pl:best"], ["pl:"], ["pl", "pl:basic"], None, {}))
    def test_invalid_languages_are_rejected(self, olive: BuilderProfile, value: Any) -> None:
        response = signed_in(olive.user).patch(
            f"/api/profiles/builders/{olive.pk}", {"languages": value}, "application/json", headers={"If-Match": "*"}
        )
        assert (response.status_code, list(response.json()["error"]["fields"])) == (422, ["languages"])

    def test_long_choice_list_is_a_string_in_the_schema(self, client: Client) -> None:
        fields = client.get("/api/openapi.json").json()["components"]["schemas"]["BuilderChange"]["properties"]
        assert {fields[name]["type"] for name in ("time_zone", "currency", "page_language")} == {"string"}


class TestFilters:
    @pytest.fixture(autouse=True)
    def builders(self) -> None:
        zones = {"Gdańsk, Poland": "Europe/Warsaw", "Hobart, Australia": "Australia/Hobart", "Łódź, POLAND": ""}
        for place, zone in zones.items():
            facts = {"location": place, "time_zone": zone, "languages": ["pl:basic"] if zone else []}
            BuilderProfileFactory.create(user__name=place, **facts)

    @pytest.mark.parametrize(
        ("params", "expected"),
        (
            ("language=pl", {"Gdańsk, Poland", "Hobart, Australia"}),
            ("language=pl&language=en", set()),
            ("language=xx", {"Gdańsk, Poland", "Hobart, Australia", "Łódź, POLAND"}),
            ("place=poland", {"Gdańsk, Poland", "Łódź, POLAND"}),
            ("place=Poland&place=Australia&language=pl", {"Gdańsk, Poland", "Hobart, Australia"}),
            ("near=Europe/Lisbon", {"Gdańsk, Poland"}),
            ("near=Asia/Tokyo", {"Hobart, Australia"}),
            ("near=America/New_York", set()),
            ("near=../x&near=", {"Gdańsk, Poland", "Hobart, Australia", "Łódź, POLAND"}),
            ("q=polski", {"Gdańsk, Poland", "Hobart, Australia"}),
        ),
    )
    def test_filters_narrow_the_list(self, client: Client, params: str, expected: set[str]) -> None:
        found = client.get(f"/builders/?{params}").context["page"].builders
        assert {builder.name for builder in found} == expected

    def test_filter_choices_are_values_of_listed_builders(self, client: Client) -> None:
        facets = {each.facet.key: each.choices for each in client.get("/builders/?place=Poland").context["facets"]}
        assert [(choice.label, choice.count) for choice in facets["language"]] == [("Polish", "1")]
        found = {choice.value.casefold(): (choice.count, choice.is_selected) for choice in facets["place"]}
        assert found == {"poland": ("2", True), "australia": ("1", False)}

    def test_spellings_of_a_country_are_one_choice_in_the_language_of_the_visitor(self, client: Client) -> None:
        for place in ("Wrocław, Polska", "Amman، الأردن", "Amman, Jordan", "ירושלים, ישראל", "Nowhere Town"):
            BuilderProfileFactory.create(user__name=place, location=place)
        for language, names in (
            ("en", {"Poland": "3", "Jordan": "2", "Israel": "1", "Australia": "1", "Nowhere Town": "1"}),
            ("de", {"Polen": "3", "Jordanien": "2", "Israel": "1", "Australien": "1", "Nowhere Town": "1"}),
        ):
            page = client.get("/builders/", headers={"accept-language": language})
            facets = {each.facet.key: each.choices for each in page.context["facets"]}
            with translation.override(language):
                assert {choice.label: choice.count for choice in facets["place"]} == names
        for written in ("Jordan", "الأردن", "jordanie"):
            page = client.get(f"/builders/?place={written}")
            assert {each.name for each in page.context["page"].builders} == {"Amman، الأردن", "Amman, Jordan"}
            assert [chip.label for chip in page.context["active_filters"]] == ["Jordan"]
        assert len(client.get("/builders/?q=in+Poland").context["page"].builders) == 3

    def test_api_rejects_an_unknown_time_zone(self, client: Client) -> None:
        assert client.get("/api/profiles/builders?near=Mars/Base").json()["error"]["fields"].keys() == {"near"}


class TestTimeZones:
    @pytest.mark.parametrize(
        ("here", "there", "is_near"),
        (
            ("Europe/London", "Europe/Kyiv", True),
            ("Europe/London", "Asia/Dubai", False),
            ("Pacific/Honolulu", "Pacific/Kiritimati", True),
            ("Asia/Kathmandu", "Asia/Kolkata", True),
        ),
    )
    def test_zones_within_three_hours_match(self, here: str, there: str, is_near: bool) -> None:  # noqa: FBT001
        with time_machine.travel("2026-11-29"):
            assert (time_zones.group_of(there) in time_zones.near_groups(here)) is is_near

    def test_daylight_saving_time_changes_matching_zones(self) -> None:
        group = time_zones.group_of("America/Sao_Paulo")  # UTC-3 all year
        with time_machine.travel("2026-11-29"):
            assert group in time_zones.near_groups("Europe/London")
        with time_machine.travel("2026-07-01"):
            assert group not in time_zones.near_groups("Europe/London")

    def test_every_city_maps_to_a_time_zone(self) -> None:
        assert set(time_zones.CITIES) <= set(time_zones.zone_names())


class TestGuesses:
    @pytest.mark.parametrize(
        ("header", "language", "currency"),
        (
            ("pl-PL,pl;q=0.9,en;q=0.8", "pl", "PLN"),
            ("de-AT", "de", "EUR"),
            ("en-GB,en", "en", "GBP"),
            ("ar", "ar", ""),
            ("no-NO", "nb", "NOK"),
            ("zh-Hant-TW", "zh", "TWD"),
            ("*", "", ""),
            ("", "", ""),
            (";;,-,q=" * 5000, "", ""),
        ),
    )
    def test_language_and_currency_are_guessed(self, header: str, language: str, currency: str) -> None:
        assert (languages.from_header(header), guessed_currency.from_header(header)) == (language, currency)

    def test_first_step_is_prefilled_from_the_browser(self) -> None:
        profile = BuilderProfileFactory.create(headline="", unpublished=True)
        headers = {"Accept-Language": "pl-PL,pl;q=0.9"}
        form = signed_in(profile.user).get("/welcome/builder/", headers=headers).context["form"]
        assert (form["currency"].value(), form["page_language"].value()) == ("PLN", "pl")
        assert form["languages"].value() == ["pl"]
        BuilderProfile.objects.update(headline="Maps")
        form = signed_in(profile.user).get("/welcome/builder/", headers=headers).context["form"]
        assert form["currency"].value() == "USD"


class TestExchangeRates:
    def test_every_currency_has_an_exchange_rate(self) -> None:
        assert len(Currency.values) == 50
        assert all(exchange_rates.about(Decimal(100), code, "EUR") > 0 for code in Currency)

    @pytest.mark.parametrize(
        ("amount", "currency", "other", "expected"),
        (
            ("320", "PLN", "EUR", "73"),
            ("95", "EUR", "JPY", "17000"),
            ("9.5", "EUR", "USD", "11"),
            ("1", "VND", "EUR", "1"),
        ),
    )
    def test_amounts_are_rounded_to_two_significant_digits(
        self, amount: str, currency: str, other: str, expected: str
    ) -> None:
        assert exchange_rates.about(Decimal(amount), currency, other) == Decimal(expected)


class TestVisitorCurrency:
    @pytest.fixture(autouse=True)
    def rate(self, olive: BuilderProfile) -> None:
        BuilderProfile.objects.update(hourly_rate=Decimal(320), currency="PLN")

    def test_selected_currency_applies_to_all_pages(self, client: Client) -> None:
        assert "about €73" not in client.get("/builders/olive/").text
        response = client.get("/builders/?currency=EUR")
        assert "<small>about €73</small>" in response.text
        assert "about €73, rates of Oct. 30, 2026" in client.get("/builders/olive/").text
        assert "about €73" in client.get("/").text
        for cached in (response, client.get("/builders/olive/"), client.get("/")):
            assert "public" not in cached.get("Cache-Control", "")
        assert "about €73" not in Client().get("/builders/olive/").text

    def test_selected_currency_can_be_reset(self, client: Client) -> None:
        client.get("/builders/?currency=EUR")
        assert "about €73" not in client.get("/builders/?currency=").text
        assert "about €73" not in client.get("/builders/olive/").text

    @pytest.mark.parametrize("code", ("PLN", "XXX", "eur", "x" * 5000))
    def test_same_and_unknown_currencies_are_ignored(self, client: Client, code: str) -> None:
        assert "<small>about" not in client.get("/builders/", {"currency": code}).text
        client.cookies["currency"] = code[:20]
        assert client.get("/builders/olive/").status_code == 200
