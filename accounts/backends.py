"""What people may do in the Django admin."""

from typing import Any

from django.contrib.auth.backends import BaseBackend

from accounts.models import User


class AdminRoleBackend(BaseBackend):
    """Lets whoever has the role ADMIN see everything in the admin. Nobody gets in through it; Clerk's sessions do that."""

    def has_perm(self, user_obj: Any, perm: str, obj: object = None) -> bool:
        """Return whether `perm` is one to view something, and the person is an admin."""
        _, _, name = perm.partition(".")
        return name.startswith("view_") and _is_admin(user_obj)

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        """Return whether the person may see the app at all."""
        return _is_admin(user_obj)


def _is_admin(user: object) -> bool:
    return isinstance(user, User) and user.has_role(User.Role.ADMIN)
