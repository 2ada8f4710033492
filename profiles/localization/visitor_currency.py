"""The visitor's display currency for rates, stored in a cookie."""

from django.http import HttpRequest, HttpResponse

from accounts.public_pages import CURRENCY_COOKIE
from profiles.models import Currency

MAX_AGE_S = 365 * 24 * 3600


def visitor_currency(request: HttpRequest) -> str:
    """Return the currency chosen in this request or stored in the cookie, or ""."""
    chosen = request.GET.get(CURRENCY_COOKIE, request.COOKIES.get(CURRENCY_COOKIE, ""))
    return chosen if chosen in Currency else ""


def is_chosen(request: HttpRequest) -> bool:
    """Return whether this request sets or clears the currency."""
    return CURRENCY_COOKIE in request.GET and request.GET[CURRENCY_COOKIE] != request.COOKIES.get(CURRENCY_COOKIE, "")


def remember(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Store this request's choice in the cookie."""
    if is_chosen(request):
        currency = visitor_currency(request)
        response.set_cookie(
            CURRENCY_COOKIE,
            currency,
            max_age=MAX_AGE_S if currency else 0,
            secure=request.is_secure(),
            httponly=True,
            samesite="Lax",
        )
    return response
