"""What accounts does when Django itself tells of something."""

from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.http import HttpRequest

from accounts.sessions import services as sessions


def connect() -> None:
    """Connect the receivers; called once, when the app is ready."""
    user_logged_out.connect(end_session, dispatch_uid="accounts.end_session")


def end_session(*, request: HttpRequest, **kwargs: Any) -> None:
    """Whoever leaves by the admin's own way out leaves Clerk, too."""
    sessions.sign_out(request)
