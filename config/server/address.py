"""Read the address of the web server."""

from ipaddress import ip_address

from django.core.exceptions import ImproperlyConfigured

from config.environment import env

MAX_PORT = 65535


def bind_address() -> str:
    """Return the address of the web server. gunicorn would retry a wrong address for seconds, or raise OverflowError."""
    text: str = env.str("BIND", default="").strip() or "127.0.0.1:8000"
    host, _, port = text.rpartition(":")
    try:
        ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
        is_valid = port.isascii() and port.isdecimal() and 0 < int(port) <= MAX_PORT
    except ValueError:
        is_valid = False
    if not (is_valid or text.startswith("unix:/")):
        raise ImproperlyConfigured(f"BIND must be an IP address and a port such as 127.0.0.1:8000, not {text!r}.")
    return text
