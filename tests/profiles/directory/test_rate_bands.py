"""The rate filter is shown in the visitor's currency, at approximate exchange rates."""

import re
from decimal import Decimal

import pytest
from django.test import Client

from profiles.templatetags.profile_filters import rate_band
from tests.helpers.factories import BuilderProfileFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("band", "currency", "text"),
    (
        ("0", "", "Under $40"),
        ("1", "", "$40–$80"),
        ("4", "USD", "$200 or more"),
        ("0", "EUR", "Under €36"),
        ("2", "EUR", "€72–€110"),
        ("4", "JPY", "¥31,000 or more"),
        ("1", "PLN", "PLN\u00a0160–PLN\u00a0320"),
    ),
)
def test_band_is_converted(band: str, currency: str, text: str) -> None:
    assert rate_band(band, currency) == text


@pytest.fixture(autouse=True)
def builder() -> None:
    BuilderProfileFactory.create(introduced=True, hourly_rate=Decimal(60), currency="USD")


def rate_filter(path: str) -> str:
    return Client().get(path).text.partition("<legend>Hourly rate</legend>")[2].partition("</fieldset>")[0]


def test_filter_and_chip_use_the_chosen_currency() -> None:
    assert "$40–$80" in rate_filter("/builders/")
    # The first page without a currency must not be stored for visitors with one.
    assert "€36–€72" in rate_filter("/builders/?currency=EUR")
    shown = Client().get("/builders/?currency=EUR&rate=1").text
    assert re.search(r'class="chip".*?€36–€72', shown, re.DOTALL)


def test_page_names_the_currency_of_the_filter() -> None:
    note = "The rate filter is in US dollars."
    assert note in Client().get("/builders/").text
    chosen = Client().get("/builders/?currency=EUR").text
    assert note not in chosen
    assert "Approximate, using exchange rates as of" in chosen
    assert "Without <bdi>Under €36</bdi>" in Client().get("/builders/?currency=EUR&rate=0&tier=1").text
