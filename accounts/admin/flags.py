"""Switches for parts of the product in the Django admin, and the groups they can be switched for."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as StockGroupAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.models import Flag, User


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

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See above."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may see them may switch them: admins, and local operators."""
        return self.has_view_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See above."""
        return False


class MemberInline(admin.TabularInline):  # type: ignore[type-arg]  # not a generic class when it runs
    """Who is in a group. Groups can give permissions, so only local operators put people there."""

    model = User.groups.through
    raw_id_fields = ("user",)
    extra = 1


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(StockGroupAdmin):
    """Groups with their members."""

    inlines = (MemberInline,)
