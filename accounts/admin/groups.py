"""Django admin pages for groups. Changes to permissions and members are audited, because groups grant permissions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, override

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as StockGroupAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Model, QuerySet
from django.forms import BaseFormSet, ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.admin.declared_filters import DeclaredFiltersMixin

Action = AuditLog.Action


@dataclass(frozen=True, slots=True)
class State:
    """A group's audited values. They are empty before the group exists and after it is deleted."""

    name: str = ""
    permissions: list[str] = field(default_factory=list)
    members: frozenset[int] = frozenset()


class MemberInline(admin.TabularInline[Model, Group]):
    """A group's members. Only local operators can change them, because groups grant permissions."""

    model = User.groups.through
    verbose_name, verbose_name_plural = _("member"), _("members")
    raw_id_fields = ("user",)
    extra = 1


admin.site.unregister(Group)


class GroupForm(ModelForm[Group]):
    #: The audited values before the form is saved.
    before: State


@admin.register(Group)
class GroupAdmin(DeclaredFiltersMixin[Group], StockGroupAdmin):
    """Django's group admin, extended with members and audit rows."""

    form = GroupForm
    inlines = (MemberInline,)

    @override
    def save_model(self, request: HttpRequest, obj: Group, form: GroupForm, change: bool) -> None:
        form.before = _state(Group.objects.select_for_update().get(pk=obj.pk)) if change else State()
        super().save_model(request, obj, form, change)

    @override
    def save_related(
        self, request: HttpRequest, form: GroupForm, formsets: Sequence[BaseFormSet[Any]], change: bool
    ) -> None:
        """Audit the change after permissions and members are saved."""
        super().save_related(request, form, formsets, change)
        _record(request, form.instance, form.before, _state(form.instance))

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        """Audit the deletion before the group loses its primary key."""
        _record(request, obj, _state(obj), State())
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        """Delete groups one by one, so that each deletion is audited."""
        with transaction.atomic():
            for group in queryset:
                self.delete_model(request, group)


def _state(group: Group) -> State:
    given = group.permissions.values_list("content_type__app_label", "codename")
    return State(
        group.name,
        sorted(f"{app}.{codename}" for app, codename in given),
        frozenset(group.user_set.values_list("pk", flat=True)),
    )


def _record(request: HttpRequest, group: Group, before: State, after: State) -> None:
    actor = Actor.from_request(request)
    pairs = {"name": (before.name, after.name), "permissions": (before.permissions, after.permissions)}
    if changes := {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}:
        log.record(Action.GROUP_CHANGED, target=group, changes=changes, actor=actor)
    for user in User.objects.filter(pk__in=before.members ^ after.members).order_by("pk"):
        others = user.groups.exclude(pk=group.pk).values_list("name", flat=True)
        without, within = sorted(others), sorted([*others, group.name])
        joined = user.pk in after.members
        action, pair = (Action.GROUP_JOINED, (without, within)) if joined else (Action.GROUP_LEFT, (within, without))
        log.record(action, target=user, changes={"groups": pair}, actor=actor)
