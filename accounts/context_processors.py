"""Context processors of the accounts app."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from accounts.clerk import instance


def clerk(request: HttpRequest) -> dict[str, Any]:
    return {"clerk": instance.current(), "clerk_js": settings.CLERK_JS, "clerk_ui": settings.CLERK_UI}
