"""The product's URLs and a page that raises an error while handling personal data."""

import logging
from typing import NoReturn

from django.http import HttpRequest
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from config.urls import urlpatterns as product


@csrf_exempt
def fail(request: HttpRequest) -> NoReturn:
    email, user = request.POST["email"], request.user
    logging.getLogger("tests").info("About to fail for %s (%s).", email, user.pk)
    raise ValueError(f"No such user: {email!r}, {request.headers['svix-signature']}")


urlpatterns = [path("fails/", fail), *product]
