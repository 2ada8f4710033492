"""Report the version and the settings of this host, so that webhooks.doctor.hosts can find hosts that differ.

Each process reports once a minute. The table contains digests that are too short to guess a value from.
"""

import hashlib
import json
import logging
import socket
import threading

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, connections

from webhooks.models import HostReport

log = logging.getLogger(__name__)

INTERVAL_S = 60.0
DIGEST_LENGTH = 6
#: Settings that must be equal on all hosts: the variable, and its name in django.conf.settings. The options of the object
#: store are added.
COMPARED = {
    "ALERT_URLS": "ALERT_URLS",
    "ALLOWED_HOSTS": "ALLOWED_HOSTS",
    "AUDIT_SEAL_KEY": "AUDIT_SEAL_KEYS",
    "CLERK_AUTHORIZED_PARTIES": "CLERK_AUTHORIZED_PARTIES",
    "CLERK_INSTANCE_ID": "CLERK_INSTANCE_ID",
    "CLERK_JWT_KEY": "CLERK_JWT_KEY",
    "CLERK_PUBLISHABLE_KEY": "CLERK_PUBLISHABLE_KEY",
    "CLERK_SECRET_KEY": "CLERK_SECRET_KEY",
    "CLERK_WEBHOOK_SECRET": "CLERK_WEBHOOK_SECRETS",
    "EMAIL_URL": "EMAIL_URL",
    "JOB_RETENTION_DAYS": "JOB_RETENTION_DAYS",
    "LIVE_SITE": "LIVE_SITE",
    "MEDIA_CDN_URL": "MEDIA_URL",
    "METRICS_TOKEN": "METRICS_TOKEN",
    "PAYLOAD_RETENTION_DAYS": "PAYLOAD_RETENTION_DAYS",
    "SECRET_KEY": "SECRET_KEY",
    "SECRET_KEY_FALLBACKS": "SECRET_KEY_FALLBACKS",
    "SITE_URL": "SITE_URL",
    "STATIC_CDN_URL": "STATIC_CDN_URL",
}
#: The times come from the database, because the clocks of two hosts can differ.
REPORT = """
WITH gone AS (DELETE FROM webhooks_hostreport WHERE seen_at < now() - interval '1 day' AND host != %(host)s)
INSERT INTO webhooks_hostreport AS known (host, kind, version, digests, changed_at, seen_at)
VALUES (%(host)s, %(kind)s, %(version)s, %(digests)s, now(), now())
ON CONFLICT (host, kind) DO UPDATE SET version = excluded.version, digests = excluded.digests, seen_at = now(),
    changed_at = CASE WHEN (known.version, known.digests) = (excluded.version, excluded.digests)
        THEN known.changed_at ELSE now() END
"""


def start(kind: HostReport.Kind) -> None:
    threading.Thread(target=_run, args=(kind,), name="host-reports", daemon=True).start()


def report(kind: HostReport.Kind) -> None:
    """Store the version and the digests of this process."""
    row = {"host": socket.gethostname()[:200], "kind": kind, "version": settings.VERSION[:64]}
    with connection.cursor() as cursor:
        cursor.execute(REPORT, row | {"digests": json.dumps(digests())})


def digests() -> dict[str, str]:
    """Return a short digest of each setting that must be equal on all hosts."""
    values = {name: getattr(settings, attribute) for name, attribute in COMPARED.items()}
    storage = settings.STORAGES["default"].get("OPTIONS", {})
    values |= {"S3_BUCKET": storage.get("bucket_name"), "S3_ENDPOINT_URL": storage.get("endpoint_url")}
    return {name: _digest(value) for name, value in values.items()}


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:DIGEST_LENGTH]


def _run(kind: HostReport.Kind) -> None:
    pause = threading.Event()
    while True:
        try:
            report(kind)
        except (DatabaseError, InterfaceError) as error:
            log.warning("The version and the settings of this host could not be stored: %s", error)
        finally:
            connections.close_all()
        pause.wait(INTERVAL_S)
