"""The one security header that Django does not send by itself."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

#: Powerful features no page of ours uses. https://www.w3.org/TR/permissions-policy/
UNUSED_FEATURES = (
    "accelerometer",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "magnetometer",
    "microphone",
)
PERMISSIONS_POLICY = ", ".join(f"{feature}=()" for feature in (*UNUSED_FEATURES, "midi", "payment", "usb"))


def permissions_policy(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Refuse powerful browser features to every page and whatever it embeds."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        return response

    return middleware
