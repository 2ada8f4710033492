"""Record admin sign-ins, failed sign-ins and password changes in the audit log.

Any client can cause failures, and audit rows are permanent. Failures are therefore not recorded while the client is
locked out. At most `MAX_FAILURES` of each kind are recorded per hour for each operator, and for all unknown usernames
together. Unknown usernames are not stored, because users may enter their password in the wrong field.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, override

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone

from accounts.models import User
from audit import log
from audit.log import Actor
from audit.models import AuditLog

Action = AuditLog.Action

#: Maximum number of recorded failures and lockouts per hour for each operator, and for all unknown usernames together.
MAX_FAILURES, WINDOW = 50, timedelta(hours=1)

COMMAND = Actor(AuditLog.Source.COMMAND)
#: Set while the admin's form is running. Otherwise passwords are set by management commands.
_password_actor: ContextVar[Actor] = ContextVar("password_actor", default=COMMAND)


class RecordingAdminSite(AdminSite):
    """Django's admin site, extended to record the origin of password changes."""

    @override
    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        token = _password_actor.set(Actor.from_request(request))
        try:
            return super().password_change(request, extra_context)
        finally:
            _password_actor.reset(token)


def record_sign_in(request: HttpRequest, user: User) -> None:
    log.record(Action.ADMIN_SIGNED_IN, actor=Actor.from_request(request).with_user(user), target=user)


def record_sign_out(request: HttpRequest, user: User) -> None:
    log.record(Action.ADMIN_SIGNED_OUT, actor=Actor.from_request(request).with_user(user), target=user)


def record_password(user: User, *, created: bool) -> None:
    action = Action.OPERATOR_CREATED if created else Action.PASSWORD_CHANGED
    log.record(action, actor=_password_actor.get(), target=user)


def record_failure(request: HttpRequest, credentials: Mapping[str, Any]) -> None:
    """Record a failed sign-in that axes has counted, and whether it locked out the client."""
    is_locked = getattr(request, "axes_locked_out", False)
    is_counted = getattr(request, "axes_failures_since_start", None) is not None
    if is_counted or not is_locked:
        _record_limited(Action.ADMIN_SIGN_IN_FAILED, request, credentials)
    if is_counted and is_locked:
        _record_limited(Action.ADMIN_LOCKED_OUT, request, credentials)


def _record_limited(action: AuditLog.Action, request: HttpRequest, credentials: Mapping[str, Any]) -> None:
    target = User.objects.filter(login=str(credentials.get("username"))).first() or User(name="Unknown username")
    recent = _recent(action, target)
    if recent < MAX_FAILURES:
        facts: dict[str, Any] = {"later_failures": "not recorded for an hour"} if recent == MAX_FAILURES - 1 else {}
        log.record(action, actor=Actor.from_request(request).with_user(None), target=target, **facts)


def _recent(action: AuditLog.Action, target: User) -> int:
    """Return the number of rows in the last hour, up to the maximum.

    The query reads the newest rows of the target's index.
    """
    rows = AuditLog.objects.filter(action=action, target=log.target_key(target)).order_by("-id")
    times = rows.values_list("timestamp", flat=True)[:MAX_FAILURES]
    return sum(time > timezone.now() - WINDOW for time in times)
