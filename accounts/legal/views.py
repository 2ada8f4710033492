"""The pages of the legal texts."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.legal import texts
from accounts.models import LegalVersion
from accounts.public_pages import etag_of, from_replica, is_for_every_visitor, share, unchanged_response


@require_safe
@from_replica
def legal_text(request: HttpRequest, document: str, version: int | None = None) -> HttpResponse:
    """Show the current text or an earlier version, with links to all versions."""
    chosen = LegalVersion.Document(document)
    versions = texts.published_versions(chosen)
    newest = versions[0].number if versions else 0
    number = newest if version is None else version
    is_shared, etag = is_for_every_visitor(request), etag_of("legal", request.path, newest)
    if is_shared and (unchanged := unchanged_response(request, etag)):
        return unchanged
    text = texts.load(chosen, number)
    if text is None:
        raise Http404
    context = {"text": text, "versions": versions, "is_current": number == newest}
    response = render(request, "accounts/legal_text.html", context)
    return share(response, etag) if is_shared else response
