"""The queue in the Django admin. Procrastinate's own pages have inline styles, which the policy refuses."""

from django.contrib import admin
from procrastinate.contrib.django.models import ProcrastinateJob

from core.admin.read_only import ReadOnlyAdmin

admin.site.unregister(ProcrastinateJob)


@admin.register(ProcrastinateJob)
class JobAdmin(ReadOnlyAdmin):
    """Jobs, to look at. They are made by the code and moved by workers."""

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
