"""Views of one profile: fetched once, and refused before the handler runs."""

from typing import Any

from django.contrib.auth.mixins import AccessMixin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.generic.base import View

from accounts.http import sign_in_answer
from profiles.access import Deed, ProfileAccess, access_for
from profiles.models import BuilderProfile


class ProfileAccessMixin(AccessMixin, View):
    """Sets `self.profile` and `self.access` before the handler runs, and refuses what `required` is not allowed.

    404 for what the person may not know exists, a way to sign in for nobody who wants to change something, and 403 for
    somebody who may see it but not do it.
    """

    required: Deed = "view"
    profile: Any
    access: ProfileAccess

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.profile = self.get_profile(**kwargs)
        self.access = access_for(request.user, self.profile)
        if not self.access.can_view:  # again, should a subclass look among too many
            raise Http404
        if not self.access.allows(self.required):
            if not request.user.is_authenticated:
                return self.refuse_nobody(request)
            raise PermissionDenied(f"This profile is not yours to {self.required}.")
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

    def refuse_nobody(self, request: HttpRequest) -> HttpResponse:
        """Answer somebody who is not signed in; JSON views answer otherwise."""
        return sign_in_answer(request)
