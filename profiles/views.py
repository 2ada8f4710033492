"""The public face: home and the directory."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from profiles import flags
from profiles.cursors import read_cursor
from profiles.models import BuilderProfile

PAGE_SIZE = 24
ON_HOME = 6


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    builders = BuilderProfile.objects.listed().order_by("-id")[:ON_HOME]
    return render(request, "home.html", {"builders": builders})


@require_safe
def builder_list(request: HttpRequest) -> HttpResponse:
    """Show one page of the directory, newest first; `?before=` continues below the profile with that id."""
    before = read_cursor(request.GET.get("before", ""))
    builders = BuilderProfile.objects.listed().order_by("-id")
    if before:
        builders = builders.filter(id__lt=before)
    page = list(builders[: PAGE_SIZE + 1])
    next_cursor = page[PAGE_SIZE - 1].pk if len(page) > PAGE_SIZE else None
    context = {
        "builders": page[:PAGE_SIZE],
        "next_cursor": next_cursor,
        "is_first_page": before is None,
        "has_facets": flags.directory_facets(request),
    }
    return render(request, "profiles/builder_list.html", context)
