"""Switches for parts of the product in the Django admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.models import Flag
from audit import log
from audit.log import Origin
from audit.models import AuditLog


@admin.register(Flag)
class FlagAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not a generic class when it runs
    """The switches. Code asks for them by name, so there is none to add or to delete."""

    list_display = ("name", "note", "everyone", "percent", "staff", "authenticated")
    ordering = ("name",)
    fields = ("name", "note", "everyone", "percent", "users", "people", "groups", "staff", "authenticated")
    readonly_fields = ("name", "note", "people")
    raw_id_fields = ("users",)
    filter_horizontal = ("groups",)

    @admin.display(description=_("Who they are"))
    def people(self, flag: Flag) -> str:
        """Return the names behind the ids."""
        return ", ".join(map(str, flag.users.all())) or "-"

    def save_model(self, request: HttpRequest, obj: Flag, form: Any, change: bool) -> None:  # noqa: FBT001  # as Django has it
        """Remember how the flag was until now."""
        form.before = _state(Flag.objects.select_for_update().get(pk=obj.pk))
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001
        """Record the change, now that people and groups are saved, too; Django's own history says no values."""
        super().save_related(request, form, formsets, change)
        before, after = form.before, _state(form.instance)
        changes = {name: (before[name], value) for name, value in after.items() if value != before[name]}
        if changes:
            action, origin = AuditLog.Action.FLAG_SWITCHED, Origin.from_request(request)
            log.record(action, actor=request.user, target=form.instance, origin=origin, changes=changes)  # type: ignore[arg-type]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See above."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may see them may switch them: admins, and local operators."""
        return self.has_view_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See above."""
        return False


def _state(flag: Flag) -> dict[str, Any]:
    """Return for whom a flag is on; people by their ids, so that the log needs no erasing."""
    return {
        "everyone": flag.everyone,
        "percent": None if flag.percent is None else float(flag.percent),
        "staff": flag.staff,
        "authenticated": flag.authenticated,
        "users": sorted(flag.users.values_list("pk", flat=True)),
        "groups": sorted(flag.groups.values_list("name", flat=True)),
    }
