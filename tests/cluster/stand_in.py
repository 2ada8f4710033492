"""The stand-in for Clerk behind the TLS edge, as a production instance on a subdomain of the site."""

import base64
from pathlib import Path

from tests.cluster.edge import CERTIFICATE, CLERK_HOST, HOST, clerk_https_port
from tests.helpers.webhooks import URL


def clerk_url(clerk_port: int) -> str:
    return f"https://{CLERK_HOST}:{clerk_https_port(clerk_port)}"


def site_settings(clerk_port: int, folder: Path) -> dict[str, str]:
    """Return the settings of web hosts and workers.

    Args:
        folder: the cluster's folder, which contains the edge's certificate.
    """
    url, host = clerk_url(clerk_port), f"{CLERK_HOST}:{clerk_https_port(clerk_port)}"
    return {
        "CLERK_PUBLISHABLE_KEY": "pk_live_" + base64.b64encode(f"{host}$".encode()).decode(),
        "CLERK_SECRET_KEY": "sk_live_of_the_stand_in_of_the_cluster",
        "CLERK_API_URL": f"https://127.0.0.1:{clerk_https_port(clerk_port)}",
        "CLERK_FRONTEND_API_URL": url,
        "CLERK_ACCOUNT_PORTAL_URL": url,
        "CLERK_JWT_KEY": "",
        "SSL_CERT_FILE": str(folder / CERTIFICATE),
    }


def stand_in_settings(https_port: int, clerk_port: int, folder: Path) -> dict[str, str]:
    """Return the stand-in's own settings, which are added to those of the site. It posts webhooks to the edge."""
    data = folder / "clerk"
    data.mkdir(exist_ok=True)
    app = f"https://{HOST}:{https_port}"
    return {
        "DATA_DIR": str(data),
        "LOCALCLERK_PORT": str(clerk_port),
        "LOCALCLERK_APP_URL": app,
        "LOCALCLERK_WEBHOOK_URL": app + URL,
    }
