"""Webhooks and images skip the middleware that only pages need."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.middleware.csp import ContentSecurityPolicyMiddleware
from django.test import Client, RequestFactory

from config.middleware.pages import PageMessageMiddleware, PageSessionMiddleware, PolicyMiddleware

PATHS = {"/api/webhooks/clerk": False, "/media/projects/a.webp": False, "/builders/": True, "/api/profiles/me": True}


@pytest.mark.parametrize("path", PATHS)
def test_only_pages_have_sessions_and_messages(path: str) -> None:
    request = RequestFactory().get(path)
    seen: dict[str, bool] = {}

    def view(request: Any) -> Any:
        seen.update(session=hasattr(request, "session"), messages=hasattr(request, "_messages"))
        return HttpResponse()

    PageSessionMiddleware(PageMessageMiddleware(view))(request)
    assert seen == {"session": PATHS[path], "messages": PATHS[path]}


@pytest.mark.django_db
@pytest.mark.parametrize(("url", "has_nonce"), (("/nowhere/", False), ("/admin/login/", True)))
def test_policy_has_a_nonce_only_if_the_page_uses_it(client: Client, url: str, *, has_nonce: bool) -> None:
    response = client.get(url)
    assert ("'nonce-" in response["Content-Security-Policy"]) == has_nonce
    assert ("nonce=" in response.content.decode()) == has_nonce


def test_stored_policy_equals_the_one_that_django_builds() -> None:
    policies = []
    for middleware in (PolicyMiddleware, ContentSecurityPolicyMiddleware):
        request = RequestFactory().get("/")
        middleware(lambda _: HttpResponse()).process_request(request)
        response = middleware(lambda _: HttpResponse()).process_response(request, HttpResponse())
        policies.append(response["Content-Security-Policy"])
    assert policies[0] == policies[1]
