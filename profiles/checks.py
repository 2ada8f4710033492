"""System checks of the profiles app. Ids are never reused."""

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.files.storage import FileSystemStorage, default_storage


@checks.register(checks.Tags.files, deploy=True)
def check_media_folder(**kwargs: Any) -> list[checks.CheckMessage]:
    """E001, E002: there is nowhere to keep the pictures that people upload."""
    if not isinstance(default_storage, FileSystemStorage):
        return []
    folder = Path(default_storage.location)
    if not folder.is_dir():
        problem, number = "does not exist", 1
    elif not os.access(folder, os.W_OK | os.X_OK):
        problem, number = "cannot be written to", 2
    else:
        return []
    return [
        checks.Error(
            f"The folder for uploaded pictures {problem}: {folder}",
            hint="Create it for the user of the web server, or name another in MEDIA_ROOT.",
            id=f"profiles.E00{number}",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def check_mail(**kwargs: Any) -> list[checks.CheckMessage]:
    """W001: nobody has said where mail goes, so messages to builders may never arrive."""
    if settings.EMAIL_URL:
        return []
    return [
        checks.Warning(
            "EMAIL_URL is not set, so mail goes to a server on this machine, and without one it never arrives.",
            hint="Name your mail server: smtp+tls://user:password@mail.example.com:587",
            id="profiles.W001",
        )
    ]
