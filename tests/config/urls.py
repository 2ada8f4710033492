"""The product's URLs and a page for each kind of error."""

from typing import NoReturn

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import HttpRequest
from django.urls import path

from config.urls import urlpatterns as product


def broken(request: HttpRequest) -> NoReturn:
    raise RuntimeError("broken on purpose")


def forbidden(request: HttpRequest) -> NoReturn:
    raise PermissionDenied


def suspicious(request: HttpRequest) -> NoReturn:
    raise SuspiciousOperation("suspicious on purpose")


def unavailable(request: HttpRequest) -> NoReturn:
    raise OperationalError("the database is unavailable on purpose")


urlpatterns = [
    path("fails/500/", broken),
    path("fails/403/", forbidden),
    path("fails/400/", suspicious),
    path("fails/503/", unavailable),
    *product,
]
