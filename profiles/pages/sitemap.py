"""robots.txt, and a sitemap index with files that list the pages of builders and projects.

https://www.sitemaps.org/protocol.html

Each file covers a fixed ID range, so file numbers stay valid and a request reads only the rows in that range.
"""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.html import escape
from django.views.decorators.http import require_safe

from accounts.legal import texts
from accounts.public_pages import from_replica
from profiles.models import BuilderProfile, Project

#: Maximum number of URLs per file.
FILE_SIZE = 50_000
MAX_AGE_S = 3600
#: Pages for signed-in users, and searches, which have an unlimited number of URLs.
DISALLOWED = ("/account/", "/admin/", "/api/", "/builders/?", "/builders/*/contact/", "/sign-in/", "/sign-up/")
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n<{0} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{1}</{0}>\n'


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    sitemap = request.build_absolute_uri(reverse("profiles:sitemap_index"))
    rules = "".join(f"Disallow: {path}\n" for path in DISALLOWED)
    text = f"User-agent: *\n{rules}Allow: /api/docs/\n\nSitemap: {sitemap}\n"
    return _cached(HttpResponse(text, content_type="text/plain; charset=utf-8"))


@require_safe
@from_replica
def sitemap_index(request: HttpRequest) -> HttpResponse:
    builders = (reverse("profiles:sitemap", args=[number]) for number in (0, *_file_numbers(_listed_builders())))
    work = (reverse("profiles:project_sitemap", args=[number]) for number in _file_numbers(_listed_projects()))
    return _xml("sitemapindex", "sitemap", request, (*builders, *work))


@require_safe
@from_replica
def sitemap(request: HttpRequest, number: int) -> HttpResponse:
    """Return the URLs of the site's main pages and published legal texts (file 0), or of builders in the file's ID range."""
    if number == 0:
        main = [reverse("profiles:home"), reverse("profiles:builder_list")]
        legal = [reverse("accounts:legal", args=[document]) for document in texts.published()]
        return _xml("urlset", "url", request, (*main, *legal))
    ids = ((number - 1) * FILE_SIZE + 1, number * FILE_SIZE)
    rows = BuilderProfile.objects.listed().filter(pk__range=ids)
    slugs = [slug for slug in rows.values_list("slug", flat=True) if slug]
    if not slugs:
        raise Http404
    # reverse() for each builder would take longer than the query.
    directory = reverse("profiles:builder_list")
    return _xml("urlset", "url", request, (f"{directory}{quote(slug)}/" for slug in slugs))


@require_safe
@from_replica
def project_sitemap(request: HttpRequest, number: int) -> HttpResponse:
    """Return the URLs of projects in the file's ID range."""
    ids = ((number - 1) * FILE_SIZE + 1, number * FILE_SIZE)
    rows = _listed_projects().filter(pk__range=ids).select_related("builder").only("title", "builder__slug")
    directory = reverse("profiles:builder_list")
    paths = [f"{directory}{quote(row.builder.slug or '')}/work/{quote(row.url_name)}/" for row in rows]
    if not paths:
        raise Http404
    return _xml("urlset", "url", request, paths)


def _listed_builders() -> QuerySet[BuilderProfile]:
    return BuilderProfile.objects.listed().order_by("pk")


def _listed_projects() -> QuerySet[Project]:
    return Project.objects.filter(builder__in=BuilderProfile.objects.listed()).order_by("pk")


def _file_numbers(rows: QuerySet[Any]) -> Iterator[int]:
    """Yield the numbers of files with at least one of the rows, using one query per file."""
    ids = rows.values_list("pk", flat=True)
    number = 0
    while first := ids.filter(pk__gt=number * FILE_SIZE).first():
        number = (first - 1) // FILE_SIZE + 1
        yield number


def _xml(root: str, element: str, request: HttpRequest, paths: Iterable[str]) -> HttpResponse:
    origin = escape(f"{request.scheme}://{request.get_host()}")
    entries = "".join(f"<{element}><loc>{origin}{path}</loc></{element}>\n" for path in paths)
    return _cached(HttpResponse(_XML.format(root, entries), content_type="application/xml"))


def _cached(response: HttpResponse) -> HttpResponse:
    patch_cache_control(response, public=True, max_age=MAX_AGE_S)
    return response
