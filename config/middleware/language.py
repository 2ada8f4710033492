"""Choose the language of pages. Answers for machines are always in English."""

from typing import cast

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

#: Files, paths that only programs request, and the English documentation of the API.
MACHINE_PREFIXES = ("/api/", "/static/", "/media/", "/healthz", "/readyz", "/metrics", "/robots.txt", "/sitemap")


class LanguageMiddleware(LocaleMiddleware):
    """Activate the language in the visitor's cookie, or else the first supported one that the browser accepts.

    Threads serve several requests, so each request has to activate a language.
    """

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(MACHINE_PREFIXES):
            translation.activate(settings.LANGUAGE_CODE)
            return cast(HttpResponseBase, self.get_response(request))
        return cast(HttpResponseBase, super().__call__(request))
