"""The job queue in the Django admin. Procrastinate's own pages use inline styles, which our content security policy blocks."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from procrastinate.contrib.django.models import ProcrastinateJob

from audit.log import Actor
from core.admin.read_only import ReadOnlyAdmin
from webhooks import jobs

admin.site.unregister(ProcrastinateJob)


@admin.register(ProcrastinateJob)
class JobAdmin(ReadOnlyAdmin[ProcrastinateJob]):
    """The list of jobs. Failed jobs can be retried or discarded; all other changes are made by code and workers."""

    list_display = ("id", "task_name", "queue_name", "status", "scheduled_at", "attempts")
    list_filter = ("status", "task_name")
    actions = ("retry", "discard")
    fields = (
        "task_name",
        "queue_name",
        "args",
        "status",
        "scheduled_at",
        "attempts",
        "lock",
        "queueing_lock",
        "worker",
    )

    @admin.action(description=_("Retry selected jobs"))
    def retry(self, request: HttpRequest, queryset: QuerySet[ProcrastinateJob]) -> None:
        done = jobs.retry(queryset.values_list("pk", flat=True), Actor.from_request(request))
        self._report(request, ngettext("%d job will run again.", "%d jobs will run again.", done), done)

    @admin.action(description=_("Discard selected jobs"))
    def discard(self, request: HttpRequest, queryset: QuerySet[ProcrastinateJob]) -> None:
        done = jobs.discard(queryset.values_list("pk", flat=True), Actor.from_request(request))
        self._report(request, ngettext("%d job was discarded.", "%d jobs were discarded.", done), done)

    def _report(self, request: HttpRequest, message: str, done: int) -> None:
        if done:
            self.message_user(request, message % done, messages.SUCCESS)
        else:
            self.message_user(request, _("No selected job has failed, so nothing was changed."), messages.WARNING)
