"""The job queue in the Django admin. Our Content-Security-Policy blocks the inline styles of Procrastinate's pages."""

from django.contrib import admin
from procrastinate.contrib.django.models import ProcrastinateJob

from core.admin.read_only import ReadOnlyAdmin

admin.site.unregister(ProcrastinateJob)


@admin.register(ProcrastinateJob)
class JobAdmin(ReadOnlyAdmin[ProcrastinateJob]):
    """Read-only list of jobs, which are changed only by code and workers."""

    list_display = ("id", "task_name", "queue_name", "status", "scheduled_at", "attempts")
    list_filter = ("status",)
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
