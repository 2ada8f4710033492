"""Context processors for the accounts app."""

from django.http import HttpRequest

from accounts.clerk import instance
from accounts.clerk.instance import Instance


def clerk(request: HttpRequest) -> dict[str, Instance | None]:
    return {"clerk": instance.current()}
