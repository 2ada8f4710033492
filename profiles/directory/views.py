"""The home page and the directory."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe
from django_htmx.http import push_url, replace_url
from django_htmx.middleware import HtmxDetails

from accounts.public_pages import from_replica, is_for_every_visitor, share_by_content
from profiles import flags
from profiles.cards import find_listed, with_cards
from profiles.directory import client_needs, facet_counts
from profiles.directory.client_needs import needs_query
from profiles.directory.exchange_rates import AS_OF
from profiles.directory.facets import SORTS
from profiles.directory.query import MAX_PAGES, DirectoryQuery
from profiles.directory.search import Match, Page, find_pages
from profiles.localization.visitor_currency import is_chosen, remember, visitor_currency
from profiles.models import BuilderProfile, Currency, Domain
from profiles.shortlist.client_state import client_state

HOME_PAGE_SIZE = 6
#: Element ID of the "more builders" link, which htmx replaces with the next page.
MORE = "more"


class DirectoryRequest(HttpRequest):
    htmx: HtmxDetails


@require_safe
@from_replica
def home(request: HttpRequest) -> HttpResponse:
    # Featured builders have the highest scores.
    builders = with_cards(BuilderProfile.objects.listed()).order_by("-score", "-id")[:HOME_PAGE_SIZE]
    response = render(
        request, "home.html", {"builders": builders, "domains": Domain.choices, "currency": visitor_currency(request)}
    )
    return share_by_content(request, response) if is_for_every_visitor(request) else response


@require_safe
@from_replica
def builder_list(request: DirectoryRequest) -> HttpResponse:
    has_facets = flags.directory_facets(request)
    client = client_state(request.user)
    needs = needs_query(client) if client else None
    query, pages = _find(request, needs, has_facets=has_facets)
    # htmx needs the full page when it restores a history entry.
    is_partial = request.htmx and not request.htmx.history_restore_request
    address = _query_with_next_page(request) if is_partial and request.htmx.target == MORE else query
    context = {
        **_results_context(query, pages, has_facets=has_facets),
        **_currency_context(request),
        "address": address,
        "can_append": address.pages < MAX_PAGES,
        "is_for_needs": query is needs,
        "can_turn_needs_on": needs and client_needs.is_start(request) and not client_needs.is_on(request),
        "all_builders": DirectoryQuery(is_explicit=needs is not None),
        "saved": client.saved if client else None,
    }
    part = ("#more" if address is not query else "#found") if is_partial else ""
    response = render(request, f"profiles/builder_list.html{part}", context)
    if not request.htmx and is_for_every_visitor(request) and not is_chosen(request):
        response = share_by_content(request, response)
    remember(request, response)
    client_needs.remember(request, response)
    patch_vary_headers(response, ["HX-Request", "HX-History-Restore-Request", "HX-Target"])
    return _update_history(request, address, response) if is_partial else response


def _find(
    request: DirectoryRequest, needs: DirectoryQuery | None, *, has_facets: bool
) -> tuple[DirectoryQuery, list[Page]]:
    """Return the query to show, which is `needs` if it suggests builders to the client, and its pages."""
    if needs and (page := _first_page_for(request, needs)):
        return needs, [page]
    query = replace(DirectoryQuery.from_params(request.GET), is_explicit=needs is not None)
    if not has_facets:
        query = replace(query, filters={})
    return query, find_pages(query, find_listed)


def _results_context(query: DirectoryQuery, pages: list[Page], *, has_facets: bool) -> dict[str, Any]:
    page = pages[0]
    return {
        "query": query,
        "page": page,
        "pages": pages,
        "next_query": pages[-1].next_query,
        "total": facet_counts.total(page),
        "number": len(page.sample.rows),  # selects the plural form of `total`
        "has_facets": has_facets,
        "facets": facet_counts.facet_choices(page) if has_facets else [],
        "active_filters": facet_counts.active_filters(page),
        "hints": facet_counts.hint_suggestions(page),
        "synonyms": facet_counts.synonyms_used(page),
        "suggested_query": page.suggested_text and replace(query.first_page, text=page.suggested_text),
        "suggestions": [] if page.builders or query.after else facet_counts.removal_suggestions(page),
        "sorts": SORTS,
        "sort": SORTS[query.sort],
    }


def _currency_context(request: HttpRequest) -> dict[str, Any]:
    return {"currency": visitor_currency(request), "currencies": Currency.choices, "rates_as_of": AS_OF}


def _query_with_next_page(request: DirectoryRequest) -> DirectoryQuery:
    """Return the query for the visitor's current list plus the page to append."""
    return _current_query(request).with_next_page


def _current_query(request: DirectoryRequest) -> DirectoryQuery:
    """Return the query of the page that sent an htmx request."""
    try:
        current = urlsplit(request.htmx.current_url or "")
    except ValueError:  # the client sent an invalid URL
        return DirectoryQuery()
    return DirectoryQuery.from_params(QueryDict(current.query))


def _first_page_for(request: HttpRequest, needs: DirectoryQuery) -> Page | None:
    """Return the first page of suggestions for the client, or None to show all builders."""
    if not client_needs.is_start(request) or not client_needs.is_on(request):
        return None
    [page] = find_pages(needs, find_listed)
    return page if page.builders and page.match != Match.EVERYONE else None


def _update_history(request: DirectoryRequest, query: DirectoryQuery, response: HttpResponse) -> HttpResponse:
    """Update the browser URL. While the user types, replace the history entry instead of adding one for each letter."""
    before = _current_query(request)
    is_same_search = bool(before.text) == bool(query.text) and before.without_filter("q") == query.without_filter("q")
    return replace_url(response, query.url) if is_same_search else push_url(response, query.url)
