"""Feature flags. docs/configuration.md describes how to use them."""

import hashlib
from decimal import Decimal

from django.contrib.auth.base_user import AbstractBaseUser
from waffle.models import AbstractUserFlag


class Flag(AbstractUserFlag):
    """A feature flag for everyone, for selected users and groups, or for a percentage of users.

    Features without a flag row are enabled.
    """

    class Meta(AbstractUserFlag.Meta):
        abstract = False

    def is_active_for_user(self, user: AbstractBaseUser) -> bool | None:
        """Return whether the flag is on for `user`, or None if waffle must choose at random and set a cookie.

        Signed-in users do not need the cookie. For a percentage, the choice is derived from their ID, so it is the same
        on every device and for API clients, which send no cookies.
        """
        active = super().is_active_for_user(user)
        if active is None and self.percent and user.is_authenticated:
            return self._percentile_of(user) < self.percent
        return active

    def _percentile_of(self, user: AbstractBaseUser) -> Decimal:
        """Return a number from 0 to 100 that is stable for `user` and differs between flags."""
        digest = hashlib.sha256(f"{self.name}:{user.pk}".encode()).digest()
        return Decimal(int.from_bytes(digest[:4])) * 100 / 2**32
