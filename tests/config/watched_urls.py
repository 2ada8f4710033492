"""The product's pages, and one that fails as a page does whose form was not what it thought."""

import logging
from typing import NoReturn

from django.http import HttpRequest
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from config.urls import urlpatterns as product


@csrf_exempt
def fail(request: HttpRequest) -> NoReturn:
    typed, person = request.POST["email"], request.user
    logging.getLogger("tests").info("About to fail for %s (%s).", typed, person.pk)
    raise ValueError(f"No such person: {typed!r}, {request.headers['svix-signature']}")


urlpatterns = [path("fails/", fail), *product]
