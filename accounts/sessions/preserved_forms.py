"""Preserve forms posted with an expired session token, so that no input is lost.

A token is valid for one minute. It can expire before a form is posted, for example without JavaScript or after a laptop
wakes up. A POST cannot be redirected through Clerk. Instead, the form's page is redirected and then shows the preserved
input.
"""

import secrets
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
from core.text import postgres_safe

#: How long forms are kept, so that users have enough time to sign in again.
LIFETIME = timedelta(hours=1)
#: Query parameter that tells a page to show the preserved form.
PARAMETER = "draft"
#: Cookie with the random key of a form that a signed-out visitor submitted. The form is shown again after sign-in.
VISITOR_COOKIE = "visitor_form"
VISITOR_PREFIX = "visitor:"
#: Maximum size of a signed-out visitor's form when URL-encoded.
MAX_VISITOR_BYTES = 64_000
#: Never stored.
SECRET_FIELDS = ("csrfmiddlewaretoken",)


def preserve(request: HttpRequest) -> HttpResponse | None:
    """Store the posted form without its files, for the expired token's user or for the visitor's browser.

    The caller must check that the request comes from a page on this site.

    Returns:
        A redirect to the form's page, or None if no recent token identifies a known user and the view does not set
        `preserves_for_visitors`.
    """
    claims = sessions.recent_claims(request)
    if claims is None:
        return _preserve_for_visitor(request)
    _store(request, claims.clerk_id, _fields_of(request))
    return _redirect_to_form(request)


def keep(request: HttpRequest, path: str) -> None:
    """Store the posted form for the signed-in user, until the user returns to the form's page at `path`."""
    _store(request, _owner(request), _fields_of(request), path)


def kept_fields(request: HttpRequest) -> QueryDict | None:
    """Return the form that `keep` stored for this page, if the URL asks for it."""
    if request.method != "GET" or PARAMETER not in request.GET:
        return None
    recent = PreservedForm.objects.filter(saved_at__gte=timezone.now() - LIFETIME)
    kept = recent.filter(clerk_id=_owner(request), path=request.path[:500]).first()
    return QueryDict(kept.fields) if kept else None


def _owner(request: HttpRequest) -> str:
    """Return the Clerk ID of the signed-in user, or a name for a local operator, who has none."""
    return getattr(request.user, "clerk_id", None) or f"operator:{request.user.pk}"


def _preserve_for_visitor(request: HttpRequest) -> HttpResponse | None:
    view = getattr(request.resolver_match.func, "view_class", None) if request.resolver_match else None
    fields = _fields_of(request)
    if not getattr(view, "preserves_for_visitors", False) or len(fields) > MAX_VISITOR_BYTES:
        return None
    key = secrets.token_urlsafe(24)
    _store(request, f"{VISITOR_PREFIX}{key}", fields)
    response = _redirect_to_form(request)
    max_age, secure = int(LIFETIME.total_seconds()), request.is_secure()
    response.set_cookie(VISITOR_COOKIE, key, max_age, secure=secure, httponly=True, samesite="Lax")
    return response


def _fields_of(request: HttpRequest) -> str:
    fields = request.POST.copy()
    for name in SECRET_FIELDS:
        fields.pop(name, None)
    return fields.urlencode()


def _store(request: HttpRequest, owner: str, fields: str, path: str = "") -> None:
    defaults = {"fields": fields, "saved_at": timezone.now()}
    PreservedForm.objects.update_or_create(clerk_id=owner, path=(path or request.path)[:500], defaults=defaults)


def _redirect_to_form(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(f"{request.path}?{PARAMETER}=1", status=303)


def delete_expired() -> int:
    deleted, _ = PreservedForm.objects.filter(saved_at__lt=timezone.now() - LIFETIME).delete()
    return deleted


class PreservedFormMixin[F: BaseForm](TemplateResponseMixin, FormMixin[F]):
    """Fill in the preserved input when the user returns to the page. The page must have a single form.

    Attributes:
        preserves_for_visitors: whether the form of a signed-out visitor is also preserved. The next user to sign in
            with the same browser can read the form, so enable this only for forms without private content.
    """

    preserves_for_visitors = False

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
        owners = [getattr(self.request.user, "clerk_id", None)]
        if self.preserves_for_visitors and (key := self.request.COOKIES.get(VISITOR_COOKIE)):
            owners.append(f"{VISITOR_PREFIX}{postgres_safe(key)}")
        return PreservedForm.objects.filter(clerk_id__in=owners, path=self.request.path[:500]).order_by("-saved_at")
