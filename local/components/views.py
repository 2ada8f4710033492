"""Views of the component page."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from local.components import operator_samples, samples

#: Each group of components loads the style sheets of one kind of page.
GROUPS = {
    "account": "Account and form pages",
    "builder": "Builder page",
    "directory": "Directory",
    "errors": "Error pages",
    "images": "Image uploads",
    "lists": "Lists in the admin",
    "operators": "Dashboard and event pages in the admin",
    "owner": "Owners and admins on a builder page",
}


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "components/index.html", {"groups": GROUPS})


@require_safe
def group(request: HttpRequest, group: str) -> HttpResponse:
    if group not in GROUPS:
        raise Http404
    page = {"groups": GROUPS, "group": group, "title": GROUPS[group]}
    context = {**samples.build_context(), **operator_samples.build_context(), **page}
    return render(request, f"components/{group}.html", context)
