"""manage.py retry_event: retry failed or dead events now."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q

from audit import log
from audit.log import Actor
from audit.models import AuditLog
from webhooks.inbox import service as inbox
from webhooks.models import WebhookEvent


class Command(BaseCommand):
    help = "Retry failed or dead webhook events now. Settled events are skipped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("events", nargs="*", help="IDs or svix IDs of events")
        parser.add_argument("--all", action="store_true", help="all failed and dead events")

    def handle(self, *, events: list[str], **options: Any) -> None:
        found = list(WebhookEvent.objects.unsettled()) if options["all"] else [_find(name) for name in events]
        if not found and not options["all"]:
            raise CommandError("Enter the IDs of the events to retry, or use --all.")
        if not found:
            self.stdout.write("There are no failed or dead events.")
        for event in found:
            self.stdout.write(f"{event.svix_id}: {_retry(event)}")


def _find(name: str) -> WebhookEvent:
    lookup = Q(svix_id=name)
    if name.isdecimal() and len(name) < 19:
        lookup |= Q(pk=int(name))
    try:
        return WebhookEvent.objects.get(lookup)
    except WebhookEvent.DoesNotExist:
        raise CommandError(f"There is no event with the ID or svix ID {name!r}.") from None


def _retry(event: WebhookEvent) -> str:
    if event.is_settled:
        return f"skipped, already {event.state}"
    actor = Actor(AuditLog.Source.COMMAND, delivery=event.svix_id)
    log.record(AuditLog.Action.EVENT_RETRIED, actor=actor, target=event)
    result = inbox.retry(event.pk)
    if result is None:
        return "skipped, settled in the meantime"
    return f"{result.state} {result.last_error}".strip()
