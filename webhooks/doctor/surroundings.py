"""Checks of what this site depends on besides Clerk: mail, image storage and disk.

The checks do not use the database, so they can run in threads.
"""

import shutil
import smtplib
import ssl
import tempfile
import uuid

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.mail import mailers
from django.core.mail.backends.smtp import EmailBackend

from accounts.clerk.diagnostics import Finding, skipped
from webhooks.monitoring.measurements.site import has_object_store

MAIL_TIMEOUT_S = 8.0
#: Free space below which uploads and sorting may fail, in bytes.
MIN_FREE_BYTES = 1024**3
GIB = 1024**3


def check_security_contact() -> Finding:
    """Check that people can find out where to report security problems."""
    if settings.SECURITY_CONTACT:
        return Finding(note=f"Reports go to {', '.join(settings.SECURITY_CONTACT)}.")
    if settings.LOCAL_MODE:
        return skipped("Local mode needs no contact.")
    problem = "SECURITY_CONTACT is not set, so /.well-known/security.txt returns 404."
    return Finding(problem, "Set it to the email address for reports of security problems.")


def check_mail() -> Finding:
    """Connect and log in to the mail server without sending a message."""
    backend = mailers["default"]
    if not isinstance(backend, EmailBackend):
        return skipped(
            "Email is not sent over SMTP." if settings.LIVE_SITE else "LIVE_SITE is off, so no email is sent."
        )
    # Shorter than for sending, so that the result is known before the check is given up.
    backend.timeout = MAIL_TIMEOUT_S
    server = f"{backend.host}:{backend.port}"
    try:
        backend.open()
        status, _text = backend.connection.noop() if backend.connection else (0, b"")
    except smtplib.SMTPAuthenticationError as error:
        return Finding(
            f"{server} rejected the login ({error.smtp_code}).", "Check user name and password in EMAIL_URL."
        )
    except (smtplib.SMTPException, ssl.SSLError, OSError) as error:
        advice = "Check host, port and TLS in EMAIL_URL, and whether the firewall allows the connection."
        return Finding(f"{server} cannot be used: {_reason(error)}.", advice)
    finally:
        backend.close()
    if status >= 400:
        return Finding(f"{server} answered {status}.", "Ask the operator of the mail server, and try again.")
    login = f"The login of {backend.username}" if backend.username else "A connection without a login"
    return Finding(note=f"{login} was accepted by {server}.")


def check_media() -> Finding:
    """Write, read and delete a small file in the storage for uploaded images."""
    text, name = uuid.uuid4().hex.encode(), ""
    try:
        name = default_storage.save(f"diagnostics/{uuid.uuid4().hex}.txt", ContentFile(text))
        with default_storage.open(name) as file:
            is_same = file.read() == text
    except Exception as error:  # noqa: BLE001  # other storages raise their own errors
        advice = "Check MEDIA_ROOT, its owner and permissions, and whether the disk is full."
        if has_object_store():
            advice = "Check the S3_ settings and the permissions of the key."
        return Finding(f"The image storage cannot be used: {_reason(error)}.", advice)
    finally:
        if name:
            default_storage.delete(name)
    if not is_same:
        return Finding("The image storage returned other data than was written.", "Check the storage of MEDIA_ROOT.")
    return Finding(note="A file was written, read and deleted.")


def check_disk() -> Finding:
    """Check the free space of the disks with uploaded and temporary files."""
    free: dict[str, int] = {}
    for name, folder in (("MEDIA_ROOT", str(settings.MEDIA_ROOT)), ("temporary files", tempfile.gettempdir())):
        try:
            free[name] = shutil.disk_usage(folder).free
        except FileNotFoundError:  # created by the first upload, or stored on another host
            continue
    text = ", ".join(f"{name}: {size / GIB:.1f} GiB free" for name, size in free.items())
    if min(free.values(), default=MIN_FREE_BYTES) < MIN_FREE_BYTES:
        advice = (
            "Delete old files, or enlarge the disk. Follow the runbook The disk with uploaded images is almost full."
        )
        return Finding(f"A disk is nearly full. {text}.", advice, facts=free)
    return Finding(note=f"{text}.", facts=free)


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).partition("\n")[0][:200].rstrip(".")
