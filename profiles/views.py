"""The public face: home, the directory, and a builder's page."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from profiles.models import BuilderProfile

PAGE_SIZE = 24
ON_HOME = 6
#: PostgreSQL's bigint; a larger number in the address is no cursor of ours.
MAX_ID = 2**63 - 1


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    builders = BuilderProfile.objects.listed().order_by("-id")[:ON_HOME]
    return render(request, "home.html", {"builders": builders})


@require_safe
def builder_list(request: HttpRequest) -> HttpResponse:
    """Show one page of the directory, newest first; `?before=` continues below the profile with that id."""
    before = _cursor(request.GET.get("before", ""))
    builders = BuilderProfile.objects.listed().order_by("-id")
    if before:
        builders = builders.filter(id__lt=before)
    page = list(builders[: PAGE_SIZE + 1])
    next_cursor = page[PAGE_SIZE - 1].pk if len(page) > PAGE_SIZE else None
    context = {"builders": page[:PAGE_SIZE], "next_cursor": next_cursor, "is_first_page": before is None}
    return render(request, "profiles/builder_list.html", context)


@require_safe
def builder_detail(request: HttpRequest, slug: str) -> HttpResponse:
    profile = get_object_or_404(BuilderProfile.objects.published(), slug=slug.replace("\x00", "\ufffd"))
    return render(request, "profiles/builder_detail.html", {"profile": profile})


def _cursor(text: str) -> int | None:
    """Return the id in the address, or None for anything else, which starts at the beginning."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0
    return number if 0 < number <= MAX_ID else None
