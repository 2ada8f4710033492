"""Home and the directory, for everybody."""

from dataclasses import replace
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe
from django_htmx.http import push_url, replace_url
from django_htmx.middleware import HtmxDetails

from profiles import flags
from profiles.directory import facet_counts
from profiles.directory.facets import SORTS
from profiles.directory.query import DirectoryQuery
from profiles.directory.results import find
from profiles.models import BuilderProfile, Domain

ON_HOME = 6
#: What a card shows, and what orders.
_SHOWN = (
    *("slug", "display_name", "headline", "image", "skills", "validation_tier", "hourly_rate", "currency"),
    *("available_for_hire", "availability", "availability_confirmed_at", "score", "rate_usd"),
    *("user__name", "user__username", "user__image_url"),
)


class DirectoryRequest(HttpRequest):
    """A request that htmx may have made."""

    htmx: HtmxDetails


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    # Featured builders have the highest scores.
    builders = BuilderProfile.objects.listed().only(*_SHOWN).order_by("-score", "-id")[:ON_HOME]
    return render(request, "home.html", {"builders": builders, "domains": Domain.choices})


@require_safe
def builder_list(request: DirectoryRequest) -> HttpResponse:
    """Show a page of the directory; to htmx only what changes with what is looked for."""
    query, has_facets = DirectoryQuery.of(request.GET), flags.directory_facets(request)
    if not has_facets:
        query = replace(query, chosen={})
    page = find(query, shown=BuilderProfile.objects.listed().only(*_SHOWN))
    context = {
        "query": query,
        "page": page,
        "total": facet_counts.total(page),
        "has_facets": has_facets,
        "offers": facet_counts.offers(query, page) if has_facets else [],
        "chips": facet_counts.chips(query),
        "advice": [] if page.builders or query.after else facet_counts.advice(query),
        "sorts": SORTS,
        "sort": SORTS[query.sort],
    }
    # Going back asks through htmx for a whole page.
    is_part = request.htmx and not request.htmx.history_restore_request
    response = render(request, f"profiles/builder_list.html{'#found' if is_part else ''}", context)
    patch_vary_headers(response, ["HX-Request", "HX-History-Restore-Request"])
    return _with_address(request, query, response) if is_part else response


def _with_address(request: DirectoryRequest, query: DirectoryQuery, response: HttpResponse) -> HttpResponse:
    """Keep the address bar in step. One search is one step back, however many letters were typed for it."""
    before = DirectoryQuery.of(QueryDict(urlsplit(request.htmx.current_url or "").query))
    is_same_search = bool(before.text) == bool(query.text) and before.without("q") == query.without("q")
    return replace_url(response, query.address) if is_same_search else push_url(response, query.address)
