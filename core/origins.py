"""Origins of websites, in the form in which browsers send them."""

from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


def canonical_origin(text: str) -> str | None:
    """Return the origin of a URL: in lower case, without a path and default port. Return None if it has none.

    https://html.spec.whatwg.org/multipage/browsers.html#ascii-serialisation-of-an-origin
    """
    try:
        parts = urlsplit(text)
        port, name = parts.port, parts.hostname or ""
        host = f"[{name}]" if ":" in name else name.encode("idna").decode()
    except ValueError:  # a malformed port or host; UnicodeError is one as well
        return None
    if parts.scheme not in DEFAULT_PORTS or not host:
        return None
    suffix = "" if port in (None, DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{suffix}"
