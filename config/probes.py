"""Respond to load balancers, orchestrators and scrapers before other middleware rejects their requests.

Probes often use an IP address as the host, or HTTP/1.0 without a Host header. ALLOWED_HOSTS would reject these
requests.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from config import views

VIEWS: dict[str, Callable[[HttpRequest], HttpResponse]] = {
    "/healthz": views.healthz,
    "/readyz": views.readyz,
    "/metrics": views.metrics,
}


def answer_probes(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:

    def middleware(request: HttpRequest) -> HttpResponse:
        return VIEWS.get(request.path_info, get_response)(request)

    return middleware
