"""Permissions for the Django admin."""

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser

from accounts.models import User


class AdminRoleBackend(BaseBackend):
    """Grant all view permissions to users with the role ADMIN. Clerk's session tokens authenticate the users."""

    def has_perm(self, user_obj: AbstractBaseUser | AnonymousUser, perm: str, obj: object = None) -> bool:
        _, _, name = perm.partition(".")
        return name.startswith("view_") and _is_admin(user_obj)

    def has_module_perms(self, user_obj: AbstractBaseUser | AnonymousUser, app_label: str) -> bool:
        return _is_admin(user_obj)


def _is_admin(user: object) -> bool:
    return isinstance(user, User) and user.has_role(User.Role.ADMIN)
