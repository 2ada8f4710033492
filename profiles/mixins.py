"""Views of one profile: fetched once, and refused before the handler runs."""

import unicodedata
from typing import Any

from django.contrib.auth.mixins import AccessMixin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.views.generic.base import View

from accounts.http import sign_in_response
from audit.log import Origin
from profiles.models import BuilderProfile
from profiles.permissions import Permission, ProfileAccess, access_for
from profiles.slugs import fold


class ProfileAccessMixin(AccessMixin, View):
    """Sets `self.profile` and `self.access` before the handler runs, and refuses what `required` is not allowed.

    404 for what the person may not know exists, a way to sign in for nobody who wants to change something, and 403 for
    somebody who may see it but not do it.
    """

    required: Permission = "view"
    profile: Any
    access: ProfileAccess

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.profile = self.get_profile(**kwargs)
        self.access = access_for(request.user, self.profile)
        if not self.access.can_view:  # again, should a subclass look among too many
            raise Http404
        if not self.access.allows(self.required):
            if not request.user.is_authenticated:
                return self.handle_anonymous(request)
            return self.handle_forbidden(request)
        return super().dispatch(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Any]:
        """Return the profiles among which the one in the address is looked for."""
        return BuilderProfile.objects.visible_to(self.request.user)

    def get_profile(self, **address: Any) -> Any:
        """Return the profile that the address names."""
        cleaned = {
            name: value.replace("\x00", "\ufffd") if isinstance(value, str) else value
            for name, value in address.items()
        }
        profile = self.get_queryset().filter(**cleaned).first()
        if profile is None:
            raise Http404
        return profile

    @property
    def audit_context(self) -> dict[str, Any]:
        """Whose deed it is, for the audit log."""
        return {"actor": self.request.user, "origin": Origin.from_request(self.request)}

    def handle_forbidden(self, request: HttpRequest) -> HttpResponse:
        """Answer somebody who is signed in and may see the profile, but not do this with it."""
        raise PermissionDenied(f"This profile is not yours to {self.required}.")

    def handle_anonymous(self, request: HttpRequest) -> HttpResponse:
        """Answer somebody who is not signed in; JSON views answer otherwise."""
        return sign_in_response(request)


class BuilderPageMixin(ProfileAccessMixin):
    """A page below a builder's address, which is also found under addresses that lead there.

    These are addresses that the builder had before, and the present one in capitals, with accents or taken apart. A form
    that was opened before the address changed in another tab is thus still saved.
    """

    def get_profile(self, **address: Any) -> Any:
        """Return the profile whose present address it is, else the one that it leads to."""
        spellings = _spellings(address["slug"])
        found = {profile.slug: profile for profile in self.get_queryset().filter(slug__in=spellings)}
        present = next((found[slug] for slug in spellings if slug in found), None)
        profile = present or self.get_queryset().filter(former_slugs__slug__in=spellings).first()
        if profile is None:
            raise Http404
        return profile

    def redirect_to_current_slug(self) -> HttpResponse:
        """Lead to the same page at the present address."""
        name = self.request.resolver_match.view_name if self.request.resolver_match else ""
        return redirect(name, self.profile.slug, permanent=True)


def _spellings(slug: str) -> list[str]:
    """Return what may be meant by a slug in an address, the slug itself first."""
    slug = slug.replace("\x00", "\ufffd")
    return list(dict.fromkeys([slug, unicodedata.normalize("NFC", slug.casefold()), fold(slug)]))
