"""Mixins for views of one profile. They fetch the profile and check access before the handler runs."""

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
from audit.log import Actor
from core.text import postgres_safe
from profiles.models import BuilderProfile, Profile
from profiles.permissions import Permission, ProfileAccess, access_for
from profiles.slugs.text import fold


class ProfileAccessMixin[P: Profile](AccessMixin, View):
    """Set `self.profile` and `self.access`, and check the `required` permission.

    Profiles that the user cannot view return 404. If the permission is missing, signed-out users are redirected to sign
    in and signed-in users get 403.
    """

    required: Permission = "view"
    profile: P
    access: ProfileAccess

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.profile = self.get_profile(**kwargs)
        self.access = access_for(request.user, self.profile)
        if not self.access.can_view:  # A subclass may return a wider queryset.
            raise Http404
        if not self.access.allows(self.required):
            if not request.user.is_authenticated:
                return self.handle_anonymous(request)
            return self.handle_forbidden(request)
        return super().dispatch(request, *args, **kwargs)

    def get_profiles(self) -> QuerySet[P]:
        """Return the profiles that the user can view."""
        raise NotImplementedError

    def get_profile(self, **url_kwargs: Any) -> P:
        """Return the profile identified by the URL, or raise 404."""
        cleaned = {
            name: postgres_safe(value) if isinstance(value, str) else value for name, value in url_kwargs.items()
        }
        profile = self.get_profiles().filter(**cleaned).first()
        if profile is None:
            raise Http404
        return profile

    @property
    def actor(self) -> Actor:
        """The request's actor, for the audit log."""
        return Actor.from_request(self.request)

    def handle_forbidden(self, request: HttpRequest) -> HttpResponse:
        """Respond to a signed-in user who can view the profile but does not have the required permission."""
        raise PermissionDenied(f"You do not have permission to {self.required} this profile.")

    def handle_anonymous(self, request: HttpRequest) -> HttpResponse:
        """Redirect a signed-out user to sign in. JSON views override this."""
        return sign_in_response(request)


class BuilderPageMixin(ProfileAccessMixin[BuilderProfile]):
    """A page under a builder's slug.

    Former slugs and other spellings of the slug also work. A form can therefore be saved if the slug was changed in
    another tab after the form was opened.
    """

    def get_profiles(self) -> QuerySet[BuilderProfile]:
        return BuilderProfile.objects.visible_to(self.request.user)

    def get_profile(self, **url_kwargs: Any) -> BuilderProfile:
        """Return the profile with this current or former slug."""
        spellings = _spellings(url_kwargs["slug"])
        found = {profile.slug: profile for profile in self.get_profiles().filter(slug__in=spellings)}
        current = next((found[slug] for slug in spellings if slug in found), None)
        profile = current or self.get_profiles().filter(former_slugs__slug__in=spellings).first()
        if profile is None:
            raise Http404
        return profile

    def redirect_to_current_slug(self) -> HttpResponse:
        name = self.request.resolver_match.view_name if self.request.resolver_match else ""
        return redirect(name, self.profile.slug, permanent=True)


def _spellings(slug: str) -> list[str]:
    """Return `slug` and its lower-case, composed and unaccented forms."""
    slug = postgres_safe(slug)
    return list(dict.fromkeys([slug, unicodedata.normalize("NFC", slug.casefold()), fold(slug)]))
