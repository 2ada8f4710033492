"""Preserve forms posted with an expired session token, so that no input is lost.

A token is valid for one minute. It can expire before a form is posted, for example without JavaScript or after a laptop
wakes up. A POST cannot be redirected through Clerk. Instead, the form's page is redirected and then shows the preserved
input.
"""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.utils import timezone
from django.views.generic.base import TemplateResponseMixin
from django.views.generic.edit import FormMixin

from accounts.models import PreservedForm
from accounts.sessions import services as sessions

#: How long forms are kept, so that users have enough time to sign in again.
LIFETIME = timedelta(hours=1)
#: Query parameter that tells a page to show the preserved form.
PARAMETER = "draft"
#: Never stored.
SECRET_FIELDS = ("csrfmiddlewaretoken",)


def preserve(request: HttpRequest) -> HttpResponse | None:
    """Store the posted form, without files, for the user of the expired token.

    The caller must check that the request comes from a page on this site.

    Returns:
        A redirect to the form's page, or None if no recent token identifies a known user.
    """
    claims = sessions.recent_claims(request)
    if claims is None:
        return None
    fields = request.POST.copy()
    for name in SECRET_FIELDS:
        fields.pop(name, None)
    PreservedForm.objects.update_or_create(
        clerk_id=claims.clerk_id,
        path=request.path[:500],
        defaults={"fields": fields.urlencode(), "saved_at": timezone.now()},
    )
    return HttpResponseRedirect(f"{request.path}?{PARAMETER}=1", status=303)


def delete_expired() -> int:
    deleted, _ = PreservedForm.objects.filter(saved_at__lt=timezone.now() - LIFETIME).delete()
    return deleted


class PreservedFormMixin[F: BaseForm](TemplateResponseMixin, FormMixin[F]):
    """Show the preserved input when the user returns to a page with a single form."""

    def get_form_kwargs(self) -> dict[str, Any]:
        kwargs = super().get_form_kwargs()
        preserved = self._preserved_form() if self.request.method == "GET" and PARAMETER in self.request.GET else None
        return {**kwargs, "data": QueryDict(preserved.fields)} if preserved else kwargs

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        context = super().get_context_data(**context)
        return {**context, "is_preserved": self.request.method == "GET" and context["form"].is_bound}

    def form_invalid(self, form: F, status: int = 422, **context: Any) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form, **context), status=status)

    def discard_preserved_form(self) -> None:
        self._preserved_forms().delete()

    def _preserved_form(self) -> PreservedForm | None:
        return self._preserved_forms().filter(saved_at__gte=timezone.now() - LIFETIME).first()

    def _preserved_forms(self) -> QuerySet[PreservedForm]:
        clerk_id = getattr(self.request.user, "clerk_id", None)
        return PreservedForm.objects.filter(clerk_id=clerk_id, path=self.request.path[:500])
