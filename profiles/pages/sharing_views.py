"""Views for sharing a builder page: share image, contact card and embeddable card."""

from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.csp import CSP
from django.utils.http import content_disposition_header
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_safe

from accounts.public_pages import from_replica, is_for_every_visitor, share_by_content
from core.interface_languages import interface_language
from core.text import postgres_safe
from profiles.models import BuilderProfile
from profiles.models.versions import CARD_VERSION
from profiles.pages import share_card
from profiles.pages.vcard import vcard_of

#: Cache lifetime of the share image, in seconds.
IMAGE_MAX_AGE_S = 3600
#: Any site can embed the card. The card has no scripts, forms or data about the viewer.
EMBED_POLICY: dict[str, list[str]] = {
    "default-src": [CSP.NONE],
    "style-src": settings.STATIC_ORIGINS,
    "font-src": settings.STATIC_ORIGINS,
    "img-src": [*settings.SECURE_CSP["img-src"]],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.NONE],
    "frame-ancestors": ["*"],
}


@require_safe
@from_replica
def share_image(request: HttpRequest, slug: str) -> HttpResponse:
    """Return a public page's share image, or 304 if the client already has it."""
    profile = public_profile(slug)
    with translation.override(interface_language(profile.page_language)):
        card = share_card.Card.from_profile(profile)
    return image_response(request, card, is_listed=profile.is_listed)


def image_response(request: HttpRequest, card: share_card.Card, *, is_listed: bool) -> HttpResponse:
    """Return a share image, or 304 if the client already has it."""
    etag = f'"{card.digest}"'
    response = get_conditional_response(request, etag=etag)
    if response is None:
        response = HttpResponse(share_card.draw(card), content_type="image/png")
    response["ETag"] = etag
    response["Cross-Origin-Resource-Policy"] = "cross-origin"  # Other sites show it in link previews.
    patch_cache_control(response, public=True, max_age=IMAGE_MAX_AGE_S)
    return response if is_listed else without_index(response)


@require_safe
@from_replica
@xframe_options_exempt
@csp_override(EMBED_POLICY)
def embedded_card(request: HttpRequest, slug: str) -> HttpResponse:
    """Return a public page's card for iframes on any site, in the page's language. It is the same for every viewer."""
    profile = public_profile(slug)
    with translation.override(interface_language(profile.page_language)):
        response = render(request, "profiles/builder_embed.html", {"builders": [profile], "currency": ""})
        if is_for_every_visitor(request):
            response = share_by_content(request, response)
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return without_index(response)


@require_safe
@from_replica
def contact_card(request: HttpRequest, slug: str) -> HttpResponse:
    """Return a public page's contact card as a download."""
    profile = public_profile(slug)
    image_url = request.build_absolute_uri(profile.image_url) if profile.image_url else ""
    page_url = request.build_absolute_uri(profile.get_absolute_url())
    text = vcard_of(profile, page_url=page_url, image_url=image_url)
    response = HttpResponse(text.encode("utf-8", "replace"), content_type="text/vcard; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=f"{profile.slug}.vcf")
    return without_index(response)


def without_index(response: HttpResponse) -> HttpResponse:
    response["X-Robots-Tag"] = "noindex"
    return response


def public_profile(slug: str) -> BuilderProfile:
    published: QuerySet[BuilderProfile] = BuilderProfile.objects.published().annotate(card_version=CARD_VERSION)
    profile = published.filter(slug=postgres_safe(slug)).first()
    if profile is None:
        raise Http404
    return profile
