"""Everything held about a person, as JSON in a zip with their images; made in the background, there for a week."""

import io
import json
import zipfile
from datetime import timedelta
from importlib import import_module

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from procrastinate.contrib.django import app as queue

from accounts.models import DataExport, User
from audit import log
from audit.models import AuditLog
from core.personal_data import PersonalData

LIFETIME = timedelta(days=7)
#: Asked for again within this time, the one that is there is the answer.
REUSE_WITHIN = timedelta(hours=1)
README = """Everything Buildappswith holds about you.

One file for each part of the product, as JSON: times are in UTC, and null means that nothing is known.
Pictures, where you gave us any, are below images/.
"""


@transaction.atomic
def request_export(user: User, *, actor: User, origin: log.Origin) -> DataExport:
    """Have everything that is held about a person put together; one that is under way or fresh is returned again."""
    # Of two requests at one time the second finds the first.
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    now = timezone.now()
    recent = DataExport.objects.filter(user=user, requested_at__gt=now - REUSE_WITHIN, expires_at__gt=now)
    if found := recent.defer("archive").first():
        return found
    export = DataExport.objects.create(user=user, expires_at=now + LIFETIME)
    log.record(AuditLog.Action.DATA_EXPORT_REQUESTED, actor=actor, target=export, subject=user, origin=origin)
    queue.configure_task("accounts.tasks.build_data_export").defer(export_id=export.pk)
    return export


def current_export(user: User) -> DataExport | None:
    """Return the export that its person can have or wait for; one that was not made within `REUSE_WITHIN` never will be."""
    now = timezone.now()
    is_waited_for = Q(ready_at__isnull=False) | Q(requested_at__gt=now - REUSE_WITHIN)
    return DataExport.objects.filter(is_waited_for, user=user, expires_at__gt=now).defer("archive").first()


def build_export(export_id: int) -> None:
    """Put an export together, unless that is done or it is gone."""
    export = DataExport.objects.select_related("user").filter(pk=export_id, ready_at=None).first()
    if export is None:
        return
    export.archive = build_archive(export.user)
    export.ready_at, export.expires_at = timezone.now(), timezone.now() + LIFETIME
    with transaction.atomic():
        export.save(update_fields=["archive", "ready_at", "expires_at"])
        log.record(AuditLog.Action.DATA_EXPORTED, actor=None, target=export, subject=export.user)


def build_archive(user: User) -> bytes:
    """Return the zip of everything that is held about a person."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("README.txt", README)
        for module in settings.PERSONAL_DATA_MODULES:
            held: PersonalData = import_module(module).export(user)
            text = json.dumps(held.data, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False)
            zipped.writestr(f"{module.partition('.')[0]}.json", text)
            for name, content in held.files.items():
                zipped.writestr(f"images/{name}", content)
    return buffer.getvalue()


def delete_expired() -> int:
    """Delete exports whose time is over; return how many."""
    deleted, _ = DataExport.objects.filter(expires_at__lte=timezone.now()).delete()
    return deleted
