"""Receivers of Django's own signals."""

from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.http import HttpRequest

from accounts.sessions import services as sessions


def connect() -> None:
    user_logged_out.connect(end_session, dispatch_uid="accounts.end_session")


def end_session(*, request: HttpRequest, **kwargs: Any) -> None:
    """End the Clerk session as well when a user signs out of the admin."""
    sessions.sign_out(request)
