"""Forms that were posted with an expired session token: kept for a while, so that nothing typed is lost.

A token lives for a minute, and a form can be posted when it is over: without JavaScript, or on a laptop that slept. A post
cannot be sent to Clerk and back, but the page of the form can, and then shows what was typed.
"""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.utils import timezone
from django.views.generic.edit import FormMixin

from accounts.clerk.authentication import claims_even_if_expired
from accounts.models import PreservedForm

#: Long enough for signing in again.
LIFETIME = timedelta(hours=1)
#: In the address of a page that is to show a draft.
PARAMETER = "draft"
#: Never kept.
SECRET_FIELDS = ("csrfmiddlewaretoken",)


def preserve(request: HttpRequest) -> HttpResponse | None:
    """Keep the posted form for the person of the expired token, and return the way to its page.

    The caller has checked that the post came from a page of ours. Files are not kept.

    Returns:
        None if nobody knows whose form it is.
    """
    claims = claims_even_if_expired(request)
    if claims is None:
        return None
    typed = request.POST.copy()
    for name in SECRET_FIELDS:
        typed.pop(name, None)
    PreservedForm.objects.update_or_create(
        clerk_id=claims.clerk_id,
        path=request.path[:500],
        defaults={"fields": typed.urlencode(), "saved_at": timezone.now()},
    )
    return HttpResponseRedirect(f"{request.path}?{PARAMETER}=1", status=303)


def delete_expired() -> int:
    """Delete drafts nobody came back for; return how many."""
    deleted, _ = PreservedForm.objects.filter(saved_at__lt=timezone.now() - LIFETIME).delete()
    return deleted


class PreservedFormMixin(FormMixin):  # type: ignore[type-arg]
    """A page of one form, which shows the draft to whoever comes back to it."""

    request: HttpRequest

    def get_form_kwargs(self) -> dict[str, Any]:
        """Fill in the draft as if it had just been posted."""
        kwargs = super().get_form_kwargs()
        draft = self._draft() if self.request.method == "GET" and PARAMETER in self.request.GET else None
        return {**kwargs, "data": QueryDict(draft.fields)} if draft else kwargs

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Say whether the page shows a draft."""
        context = super().get_context_data(**context)
        return {**context, "is_preserved": self.request.method == "GET" and context["form"].is_bound}

    def form_invalid(self, form: Any, status: int = 422, **context: Any) -> HttpResponse:
        """Show the form again with what was typed, and what is wrong."""
        page = self.get_context_data(form=form, **context)
        return self.render_to_response(page, status=status)  # type: ignore[attr-defined,no-any-return]

    def discard_preserved_form(self) -> None:
        """Delete the draft, now that the form is saved."""
        self._drafts().delete()

    def _draft(self) -> PreservedForm | None:
        return self._drafts().filter(saved_at__gte=timezone.now() - LIFETIME).first()

    def _drafts(self) -> QuerySet[PreservedForm]:
        clerk_id = getattr(self.request.user, "clerk_id", None)
        return PreservedForm.objects.filter(clerk_id=clerk_id, path=self.request.path[:500])
