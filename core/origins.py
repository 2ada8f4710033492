"""Website origins, as sent by browsers."""

from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


def canonical_origin(text: str) -> str | None:
    """Return a URL's origin in lower case, without a path or default port. Return None if the URL has no origin.

    https://html.spec.whatwg.org/multipage/browsers.html#ascii-serialisation-of-an-origin
    """
    try:
        parts = urlsplit(text)
        port, name = parts.port, parts.hostname or ""
        host = f"[{name}]" if ":" in name else name.encode("idna").decode()
    except ValueError:  # The port or host is malformed. UnicodeError is a subclass of ValueError.
        return None
    if parts.scheme not in DEFAULT_PORTS or not host:
        return None
    suffix = "" if port in (None, DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{suffix}"
