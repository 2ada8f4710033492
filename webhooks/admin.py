"""The queue in the Django admin. Procrastinate's own pages have inline styles, which the policy refuses."""

from django.contrib import admin
from django.http import HttpRequest
from procrastinate.contrib.django.models import ProcrastinateJob

admin.site.unregister(ProcrastinateJob)


@admin.register(ProcrastinateJob)
class JobAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not a generic class when it runs
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
    ordering = ("-id",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False
