"""System checks for the profiles app. IDs are never reused."""

import os
from email.utils import parseaddr
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.files.storage import FileSystemStorage, default_storage

from core.mail_headers import mailbox


@checks.register(checks.Tags.files, deploy=True)
def check_media_folder(**kwargs: Any) -> list[checks.CheckMessage]:
    """E001, E002: MEDIA_ROOT is missing or not writable."""
    if not isinstance(default_storage, FileSystemStorage):
        return []
    folder = Path(default_storage.location)
    if not folder.is_dir():
        problem, number = "does not exist", 1
    elif not os.access(folder, os.W_OK | os.X_OK):
        problem, number = "is not writable", 2
    else:
        return []
    return [
        checks.Error(
            f"The MEDIA_ROOT folder for uploaded images {problem}: {folder}",
            hint="Create it with write permission for the web server user, or set MEDIA_ROOT to another folder.",
            id=f"profiles.E00{number}",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def check_mail(**kwargs: Any) -> list[checks.CheckMessage]:
    """W001: EMAIL_URL is not set, so messages to builders may not be delivered."""
    if settings.EMAIL_URL:
        return []
    return [
        checks.Warning(
            "EMAIL_URL is not set. Email is sent to a mail server on this host. If there is none, email is lost.",
            hint="Set EMAIL_URL to your mail server, for example smtp+tls://user:password@mail.example.com:587.",
            id="profiles.W001",
        )
    ]


@checks.register(checks.Tags.security)
def check_sender(**kwargs: Any) -> list[checks.CheckMessage]:
    """E004: DEFAULT_FROM_EMAIL is not an address that mail servers accept, so no email can be sent."""
    if mailbox(parseaddr(settings.DEFAULT_FROM_EMAIL)[1]):
        return []
    return [
        checks.Error(
            f"DEFAULT_FROM_EMAIL is not an email address: {settings.DEFAULT_FROM_EMAIL!r}",
            hint="Set it like Buildappswith <hello@example.com>, with only ASCII characters before the @.",
            id="profiles.E004",
        )
    ]
