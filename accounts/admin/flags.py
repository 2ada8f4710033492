"""Django admin pages for feature flags."""

from collections.abc import Sequence
from typing import Any, override

from django.contrib import admin
from django.forms import BaseFormSet, ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.models import Flag
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.admin.declared_filters import DeclaredFiltersMixin


class FlagForm(ModelForm[Flag]):
    #: The audited values before the form is saved.
    before: dict[str, Any]


@admin.register(Flag)
class FlagAdmin(DeclaredFiltersMixin[Flag]):
    """Feature flags. They cannot be added or deleted in the admin, because the code refers to them by name."""

    form = FlagForm
    list_display = ("name", "note", "everyone", "percent", "staff", "authenticated")
    ordering = ("name",)
    fields = ("name", "note", "everyone", "percent", "users", "user_names", "groups", "staff", "authenticated")
    readonly_fields = ("name", "note", "user_names")
    raw_id_fields = ("users",)
    filter_horizontal = ("groups",)

    @admin.display(description=_("User names"))
    def user_names(self, flag: Flag) -> str:
        return ", ".join(map(str, flag.users.all())) or "-"

    @override
    def save_model(self, request: HttpRequest, obj: Flag, form: FlagForm, change: bool) -> None:
        form.before = _state(Flag.objects.select_for_update().get(pk=obj.pk))
        super().save_model(request, obj, form, change)

    @override
    def save_related(
        self, request: HttpRequest, form: FlagForm, formsets: Sequence[BaseFormSet[Any]], change: bool
    ) -> None:
        """Audit the change after users and groups are saved. Django's history does not record values."""
        super().save_related(request, form, formsets, change)
        before, after = form.before, _state(form.instance)
        changes = {name: (before[name], value) for name, value in after.items() if value != before[name]}
        if changes:
            actor = Actor.from_request(request)
            log.record(AuditLog.Action.FLAG_SWITCHED, actor=actor, target=form.instance, changes=changes)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Flag | None = None) -> bool:
        """Return whether the user can view flags.

        Users who can view flags can also change them: admins and local operators.
        """
        return self.has_view_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Flag | None = None) -> bool:
        return False


def _state(flag: Flag) -> dict[str, Any]:
    """Return the audited values.

    Users are identified by ID, so that the audit log contains no personal data to erase.
    """
    return {
        "everyone": flag.everyone,
        "percent": None if flag.percent is None else float(flag.percent),
        "staff": flag.staff,
        "authenticated": flag.authenticated,
        "users": sorted(flag.users.values_list("pk", flat=True)),
        "groups": sorted(flag.groups.values_list("name", flat=True)),
    }
