"""What every template may ask of accounts."""

from django.http import HttpRequest

from accounts.clerk import instance
from accounts.clerk.instance import Instance


def clerk(request: HttpRequest) -> dict[str, Instance | None]:
    """Add the Clerk instance, for pages that load its scripts; None if there is none."""
    return {"clerk": instance.current()}
