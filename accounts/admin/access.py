"""Permission to repair data in the admin."""

from django.http import HttpRequest

from accounts.models import User


def may_repair(request: HttpRequest) -> bool:
    """Return whether the user is an admin or local superuser, and so can start repairs."""
    user = request.user
    return isinstance(user, User) and (user.is_superuser or user.has_role(User.Role.ADMIN))
