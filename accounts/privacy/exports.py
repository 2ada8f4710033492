"""Build exports of all data about a user in the background: zip files with JSON files and images."""

import io
import json
import zipfile
from datetime import timedelta

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app as queue

from accounts.models import DataExport, User
from accounts.notifications import account_emails
from audit import log
from audit.log import SYSTEM, Actor
from audit.models import AuditLog
from core import personal_data
from core.jobs import BULK, Person, describe
from core.personal_data import PersonalData

LIFETIME = timedelta(days=7)
#: A repeated request within this time returns the existing export.
REUSE_WITHIN = timedelta(hours=1)
README = """All data that Buildappswith holds about you.

There is one JSON file for each part of the product. Times are in UTC, and null means that a value is not set.
Files that you uploaded are in the folder images/. Other people are not named: "an administrator" is a member of our team.
"""


@transaction.atomic
def request_export(user: User, *, actor: Actor) -> DataExport:
    """Queue an export, or return an existing export requested within `REUSE_WITHIN`."""
    # Serialises concurrent requests, so that the second request finds the first request's export.
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    now = timezone.now()
    recent = DataExport.objects.filter(user=user, requested_at__gt=now - REUSE_WITHIN, expires_at__gt=now)
    if existing := recent.defer("archive").first():
        return existing
    export = DataExport.objects.create(user=user, expires_at=now + LIFETIME)
    log.record(AuditLog.Action.DATA_EXPORT_REQUESTED, actor=actor, target=export, subject=user)
    build_data_export.defer(export_id=export.pk)
    return export


def current_export(user: User) -> DataExport | None:
    """Return the export to show. It is ready or was requested within `REUSE_WITHIN`.

    Older unfinished exports have failed.
    """
    now = timezone.now()
    is_current = Q(ready_at__isnull=False) | Q(requested_at__gt=now - REUSE_WITHIN)
    return DataExport.objects.filter(is_current, user=user, expires_at__gt=now).defer("archive").first()


@queue.task(retry=RetryStrategy(max_attempts=3, exponential_wait=4), priority=BULK)
@describe(
    _("Build a data export"),
    _(
        "Creates the file with all data about a person, who can then download it. If the job fails, the person has to request the export again."
    ),
    person=Person("export_id", "accounts.DataExport", "pk", "user__clerk_id"),
)
def build_data_export(export_id: int) -> None:
    build_export(export_id)


def build_export(export_id: int) -> None:
    """Build and store the zip file, unless it is already built or the export was deleted."""
    export = DataExport.objects.select_related("user").filter(pk=export_id, ready_at=None).first()
    if export is None:
        return
    export.archive = build_archive(export.user)
    export.ready_at, export.expires_at = timezone.now(), timezone.now() + LIFETIME
    with transaction.atomic():
        export.save(update_fields=["archive", "ready_at", "expires_at"])
        log.record(AuditLog.Action.DATA_EXPORTED, actor=SYSTEM, target=export, subject=export.user)
        account_emails.notify_export(export)


def build_archive(user: User) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("README.txt", README)
        for app, module in personal_data.modules.items():
            held: PersonalData = module.export(user)
            text = json.dumps(held.data, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False)
            zipped.writestr(f"{app}.json", text)
            for name, content in held.files.items():
                zipped.writestr(f"images/{name}", content)
    return buffer.getvalue()
