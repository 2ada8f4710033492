"""Publish legal texts, and record which versions users agreed to."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import Agreement, LegalVersion, User
from audit import log
from audit.log import Actor
from audit.models import AuditLog

#: Number of the advisory lock for publications.
LOCK = 7_301_906


class PublicationError(Exception):
    """The text cannot be published. The message is shown to the admin."""


@transaction.atomic
def publish(
    document: LegalVersion.Document, texts: Mapping[str, str], *, changes: str, based_on: int, actor: Actor
) -> LegalVersion:
    """Publish a new version of a legal text.

    Args:
        texts: Markdown by language code.
        changes: what changed since the previous version. May be blank for the first version.
        based_on: number of the version that the author edited, or 0 for the starting text.

    Raises:
        PublicationError: the texts equal those of the current version, or another version has been published meanwhile.
    """
    with connection.cursor() as cursor:  # Two simultaneous publications would get the same number.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    current = LegalVersion.objects.filter(document=document).order_by("-number").first()
    number = current.number if current else 0
    if current and current.texts == dict(texts):
        raise PublicationError(_("This text is the same as version %(number)d.") % {"number": number})
    if number != based_on:
        raise PublicationError(
            _("Version %(number)d was published while you were editing. Copy your changes, and reload this page.")
            % {"number": number}
        )
    new = LegalVersion(document=document, number=number + 1, texts=dict(texts), changes=changes)
    new.published_by = actor.user
    new.save()
    facts: dict[str, Any] = {"document": document, "languages": sorted(texts), "what_changed": changes}
    versions = {"version": (number or None, new.number)}
    log.record(AuditLog.Action.LEGAL_TEXT_PUBLISHED, actor=actor, target=new, changes=versions, **facts)
    return new


def pending(user: User) -> QuerySet[LegalVersion]:
    """Return the current versions that the user has not agreed to, without their texts."""
    versions = LegalVersion.objects.current().requiring_agreement()
    return versions.exclude(agreements__user=user).order_by("-document").defer("texts")


@transaction.atomic
def agree(user: User, version_ids: Iterable[int], *, source: Agreement.Source, actor: Actor) -> list[LegalVersion]:
    """Record that a user agreed to versions, and return the versions whose agreement is new.

    Unknown versions, and documents that need no agreement, are ignored.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # serializes repeated requests
    versions = LegalVersion.objects.requiring_agreement().filter(pk__in=version_ids).defer("texts")
    new = list(versions.exclude(agreements__user=user))
    for version in new:
        Agreement.objects.create(user=user, version=version, source=source)
        facts: dict[str, Any] = {"document": version.document, "version": version.number, "agreed_on": source}
        log.record(AuditLog.Action.LEGAL_TEXT_AGREED, actor=actor, target=version, subject=user, **facts)
    return new
