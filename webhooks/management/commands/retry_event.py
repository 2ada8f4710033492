"""Try failed or dead events again, now."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q

from audit import log
from audit.models import AuditLog
from webhooks.inbox import service as inbox
from webhooks.models import WebhookEvent


class Command(BaseCommand):
    help = "Try failed or dead webhook events again, now. Settled ones are left alone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("events", nargs="*", help="ids or svix ids of events")
        parser.add_argument("--all", action="store_true", help="every failed and dead event")

    def handle(self, *, events: list[str], **options: Any) -> None:
        found = list(WebhookEvent.objects.unsettled()) if options["all"] else [_find(name) for name in events]
        if not found and not options["all"]:
            raise CommandError("Name the events to try, or give --all.")
        if not found:
            self.stdout.write("No event is failed or dead.")
        for event in found:
            self.stdout.write(f"{event.svix_id}: {_retry(event)}")


def _find(name: str) -> WebhookEvent:
    wanted = Q(svix_id=name)
    if name.isdecimal() and len(name) < 19:
        wanted |= Q(pk=int(name))
    try:
        return WebhookEvent.objects.get(wanted)
    except WebhookEvent.DoesNotExist:
        raise CommandError(f"There is no event with the id or svix id {name!r}.") from None


def _retry(event: WebhookEvent) -> str:
    if event.is_settled:
        return f"left alone, it is {event.state}"
    origin = log.Origin(AuditLog.Source.COMMAND, delivery=event.svix_id)
    log.record(AuditLog.Action.EVENT_RETRIED, actor=None, target=event, origin=origin)
    result = inbox.retry(event.pk)
    if result is None:
        return "settled meanwhile"
    return f"{result.state} {result.last_error}".strip()
