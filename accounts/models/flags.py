"""Switches for parts of the product. docs/configuration.md says how they are used."""

import hashlib
from decimal import Decimal
from typing import Any

from waffle.models import AbstractUserFlag


class Flag(AbstractUserFlag):
    """Whether a part of the product is on: for everybody, for some people and groups, or for a share of all.

    A part that no row speaks of is on.
    """

    class Meta(AbstractUserFlag.Meta):
        abstract = False

    def is_active_for_user(self, user: Any) -> bool | None:
        """Return whether it is on for `user`, or None where waffle has to draw lots and keep them in a cookie.

        Whoever is signed in needs no lots: the same people are in the share on every device, and in programs, which
        send no cookies.
        """
        decided = super().is_active_for_user(user)
        if decided is None and self.percent and user.is_authenticated:
            return self._place_of(user) < self.percent
        return decided

    def _place_of(self, user: Any) -> Decimal:
        """Return where `user` stands between 0 and 100, which differs from flag to flag."""
        digest = hashlib.sha256(f"{self.name}:{user.pk}".encode()).digest()
        return Decimal(int.from_bytes(digest[:4])) * 100 / 2**32
