"""A builder's page, and the picture that stands for it where its address is shared."""

from django.contrib.auth.models import AnonymousUser
from django.db.models import prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import get_conditional_response, patch_cache_control
from django.views.decorators.http import require_safe

from profiles import cards, flags
from profiles.access import Viewer, access_for, is_public, is_reachable
from profiles.mixins import BuilderPageMixin
from profiles.models import BuilderProfile
from profiles.sections import BUILDER_SECTIONS
from profiles.sharing import sharing

#: Seconds for which others may show the picture without asking whether it has changed.
CARD_AGE_S = 3600


class BuilderDetailView(BuilderPageMixin):
    """A builder's page: for everybody while it is published, and for its owner and admins always.

    With `?as=visitor` they see what visitors see, or would see if it were published.
    """

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        if slug != self.profile.slug:
            return self.moved()
        # All that the page shows, in one query each.
        prefetch_related_objects([self.profile], "projects", "badges")
        as_visitor = request.GET.get("as") == "visitor" and self.access.role != Viewer.VISITOR
        access = access_for(AnonymousUser(), self.profile) if as_visitor else self.access
        public = is_public(self.profile)
        context = {
            "profile": self.profile,
            "access": access,
            "as_visitor": as_visitor,
            "is_public": public,
            "is_reachable": is_reachable(self.profile),
            "sections": BUILDER_SECTIONS,
            "in_place_editing": access.can_edit and flags.in_place_editing(request),
            "sharing": sharing(self.profile, request) if public else None,
        }
        return render(request, "profiles/builder_detail.html", context)


@require_safe
def builder_card(request: HttpRequest, slug: str) -> HttpResponse:
    """Answer with the picture of a public page; it is drawn only for whoever does not have it yet."""
    profile = BuilderProfile.objects.published().filter(slug=slug.replace("\x00", "\ufffd")).first()
    if profile is None:
        raise Http404
    card = cards.Card.of(profile)
    etag = f'"{card.digest}"'
    response = get_conditional_response(request, etag=etag)
    if response is None:
        response = HttpResponse(cards.draw(card), content_type="image/png")
    response["ETag"] = etag
    patch_cache_control(response, public=True, max_age=CARD_AGE_S)
    return response
