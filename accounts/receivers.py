"""Receivers for signals from Django and from this app's models."""

from collections.abc import Mapping
from typing import Any

import axes.signals  # noqa: F401  # connects axes' receivers before ours
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from accounts.models import User
from accounts.notifications import account_emails
from accounts.security import sign_ins
from accounts.sessions import services as sessions
from accounts.sessions import verification
from accounts.signals import password_set, roles_changed
from accounts.sync.changes import RoleChange


def connect() -> None:
    user_logged_in.connect(record_sign_in, dispatch_uid="accounts.record_sign_in")
    user_login_failed.connect(record_failure, dispatch_uid="accounts.record_failure")
    user_logged_out.connect(end_session, dispatch_uid="accounts.end_session")
    password_set.connect(record_password, dispatch_uid="accounts.record_password")
    roles_changed.connect(notify_role_changes, dispatch_uid="accounts.notify_role_changes")


def record_sign_in(*, request: HttpRequest, user: User, **kwargs: Any) -> None:
    sign_ins.record_sign_in(request, user)
    verification.remember_sign_in(request)


def record_failure(*, request: HttpRequest | None, credentials: Mapping[str, Any], **kwargs: Any) -> None:
    """Record a failed sign-in after axes has counted it."""
    if request is not None:
        sign_ins.record_failure(request, credentials)


def record_password(*, user: User, created: bool, **kwargs: Any) -> None:
    sign_ins.record_password(user, created=created)


def notify_role_changes(*, changes: list[RoleChange], **kwargs: Any) -> None:
    for change in changes:
        account_emails.notify_role_change(change.user, added=change.added, removed=change.removed, actor=change.actor)


def end_session(*, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    """Also end the Clerk session when a user signs out of the admin."""
    if user is not None:
        sign_ins.record_sign_out(request, user)
    sessions.sign_out(request)
