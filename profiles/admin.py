"""Admin pages for profiles (read-only) and search synonyms. Profiles are edited on their public pages."""

from typing import Any, override

from django.contrib import admin
from django.db import transaction
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.admin.declared_filters import DeclaredFiltersMixin
from core.admin.read_only import ReadOnlyAdmin
from profiles.directory import synonyms
from profiles.forms.synonyms import SynonymForm
from profiles.models import (
    Availability,
    Badge,
    BuilderProfile,
    ClientProfile,
    ContactMessage,
    Domain,
    FormerSlug,
    Profile,
    Project,
    ProjectImage,
    Report,
    ReviewRequest,
    SearchSynonym,
)
from profiles.reports.admin import ReportAdmin
from profiles.reviews.admin import ReviewRequestAdmin
from profiles.visibility import HidingReason, hiding_reasons


class VisibilityFilter(admin.SimpleListFilter):
    """The words of the column, as a filter."""

    title, parameter_name = _("visibility"), "public"

    @override
    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return [
            ("listed", _("Public")),
            ("unlisted", _("Public, not listed")),
            ("no", _("Not public")),
            ("hidden", _("Hidden")),
            ("unpublished", _("Unpublished")),
            ("deleted", _("Deleted")),
            ("archived", _("Archived")),
            ("banned", User.Inactive.BANNED.label),
            ("account_deleted", User.Inactive.DELETED.label),
        ]

    @override
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        public = Q(pk__in=BuilderProfile.objects.published().values("pk"))
        listed = Q(pk__in=BuilderProfile.objects.listed().values("pk"))
        chosen = {
            "listed": listed,
            "unlisted": public & ~listed,
            "no": ~public,
            **{name: Q(**{f"{name}_at__isnull": False}) for name in ("hidden", "unpublished", "deleted", "archived")},
            "banned": Q(user__banned=True),
            "account_deleted": Q(user__deleted_at__isnull=False),
        }
        return queryset.filter(chosen.get(str(self.value()), Q()))


class FeaturedFilter(admin.SimpleListFilter):
    title, parameter_name = _("featured"), "featured"

    @override
    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return [("yes", _("Yes")), ("no", _("No"))]

    @override
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(featured_at__isnull=self.value() == "no") if self.value() else queryset


class AvailabilityFilter(admin.SimpleListFilter):
    """The availability that clients see, as in the column."""

    title, parameter_name = _("availability"), "availability"

    @override
    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return list(Availability.choices)

    @override
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        for_hire = Q(available_for_hire=True)
        stated = for_hire & Q(availability_confirmed_at__isnull=False)
        chosen: dict[str, Q] = {
            **{value: stated & Q(availability=value) for value in (Availability.AVAILABLE, Availability.LIMITED)},
            Availability.UNAVAILABLE: ~for_hire | stated & Q(availability=Availability.UNAVAILABLE),
            Availability.NOT_STATED: for_hire & (~stated | Q(availability=Availability.NOT_STATED)),
        }
        return queryset.filter(chosen.get(str(self.value()), Q()))


class VisibilityColumnMixin[M: Model](admin.ModelAdmin[M]):
    """Add a column that shows whether a profile is public, or every reason why it is hidden."""

    def profile_of(self, row: Any) -> Profile:
        """Return the profile that a row belongs to."""
        profile: Profile = row if isinstance(row, Profile) else row.builder
        return profile

    @admin.display(description=_("visibility"))
    def visibility(self, row: M) -> SafeString:
        profile = self.profile_of(row)
        if reasons := hiding_reasons(profile):
            lines = [(_describe(reason), reason.detail) for reason in reasons]
            return format_html('<ul class="reasons">{}</ul>', format_html_join("", "<li>{} <q>{}</q></li>", lines))
        is_listed = not isinstance(profile, BuilderProfile) or profile.is_listed
        return format_html("<span>{}</span>", gettext("Public") if is_listed else gettext("Public, not listed"))


def _describe(reason: HidingReason) -> str:
    if reason.since is None:
        return str(reason.label)
    return f"{reason.label}, {date_format(reason.since)}"


@admin.register(BuilderProfile)
class BuilderProfileAdmin(VisibilityColumnMixin[BuilderProfile], ReadOnlyAdmin[BuilderProfile]):
    change_form_template = "admin/profiles/builderprofile/change_form.html"
    list_display = ("name", "visibility", "headline", "validation_tier", "shown_availability", "featured_at")
    list_filter = (VisibilityFilter, FeaturedFilter, "validation_tier", AvailabilityFilter)
    list_select_related = ("user",)
    search_fields = ("=slug", "^user__name", "=user__clerk_id")

    @admin.display(description=_("availability"))
    def shown_availability(self, profile: BuilderProfile) -> str:
        """Return the availability that clients see."""
        return str(Availability(profile.effective_availability).label)


@admin.register(ClientProfile)
class ClientProfileAdmin(VisibilityColumnMixin[ClientProfile], ReadOnlyAdmin[ClientProfile]):
    change_form_template = "admin/profiles/clientprofile/change_form.html"
    list_display = ("name", "visibility", "company_name")
    list_filter = ("user__banned",)
    list_select_related = ("user",)
    search_fields = ("^user__name", "=user__clerk_id")


@admin.register(Project)
class ProjectAdmin(VisibilityColumnMixin[Project], ReadOnlyAdmin[Project]):
    list_display = ("title", "builder", "visibility", "status", "created_at")
    list_filter = ("status",)
    list_select_related = ("builder__user",)
    search_fields = ("=builder__slug", "=builder__user__clerk_id")
    raw_id_fields = ("builder",)


@admin.register(ProjectImage)
class ProjectImageAdmin(VisibilityColumnMixin[ProjectImage], ReadOnlyAdmin[ProjectImage]):
    list_display = ("alt", "project", "builder", "visibility", "created_at")
    list_select_related = ("builder__user", "project")
    search_fields = ("=builder__slug", "=builder__user__clerk_id")
    raw_id_fields = ("builder", "project")


@admin.register(Badge)
class BadgeAdmin(VisibilityColumnMixin[Badge], ReadOnlyAdmin[Badge]):
    list_display = ("kind", "builder", "visibility", "evidence", "awarded_at", "awarded_by")
    list_filter = ("kind",)
    list_select_related = ("builder__user", "awarded_by")
    search_fields = ("=builder__slug", "=builder__user__clerk_id")
    raw_id_fields = ("builder", "awarded_by")


@admin.register(ContactMessage)
class ContactMessageAdmin(VisibilityColumnMixin[ContactMessage], ReadOnlyAdmin[ContactMessage]):
    """List contact messages without their private subject and body."""

    list_display = ("sent_at", "sender", "builder", "visibility", "mailed_at")
    list_select_related = ("builder__user", "sender")
    search_fields = ("=builder__slug", "=builder__user__clerk_id", "=sender__clerk_id")
    raw_id_fields = ("builder", "sender")
    exclude = ("subject", "body")


admin.site.register(Report, ReportAdmin)
admin.site.register(ReviewRequest, ReviewRequestAdmin)


@admin.register(FormerSlug)
class FormerSlugAdmin(VisibilityColumnMixin[FormerSlug], ReadOnlyAdmin[FormerSlug]):
    list_display = ("slug", "builder", "visibility", "replaced_at")
    list_select_related = ("builder__user",)
    search_fields = ("=slug", "=builder__slug")
    raw_id_fields = ("builder",)


@admin.register(SearchSynonym)
class SearchSynonymAdmin(DeclaredFiltersMixin[SearchSynonym]):
    """Directory search synonyms, which admins and local operators can edit."""

    form = SynonymForm
    list_display = ("phrases", "also_found", "domain_labels", "updated_at")
    list_display_links = ("phrases",)
    search_fields = ("searches", "finds")
    fields = ("searches", "finds", "domains")

    @admin.display(description=_("searches"), ordering="searches")
    def phrases(self, synonym: SearchSynonym) -> str:
        return ", ".join(synonym.searches)

    @admin.display(description=_("also finds"))
    def also_found(self, synonym: SearchSynonym) -> str:
        return ", ".join(synonym.finds)

    @admin.display(description=_("domains"))
    def domain_labels(self, synonym: SearchSynonym) -> str:
        return ", ".join(map(Domain.label_for, synonym.domains))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: SearchSynonym | None = None) -> bool:
        return self.has_view_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: SearchSynonym | None = None) -> bool:
        return self.has_view_permission(request, obj)

    @override
    def save_model(self, request: HttpRequest, obj: SearchSynonym, form: SynonymForm, change: bool) -> None:
        before = _synonym_values(SearchSynonym.objects.select_for_update().get(pk=obj.pk)) if change else {}
        super().save_model(request, obj, form, change)
        _audit_synonym(request, obj, before, _synonym_values(obj))

    @override
    def delete_model(self, request: HttpRequest, obj: SearchSynonym) -> None:
        _audit_synonym(request, obj, _synonym_values(obj), {})
        super().delete_model(request, obj)

    @override
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SearchSynonym]) -> None:
        """Delete each synonym separately, so that every deletion is audited."""
        with transaction.atomic():
            for synonym in queryset:
                self.delete_model(request, synonym)


def _synonym_values(synonym: SearchSynonym) -> dict[str, list[str]]:
    return {"searches": synonym.searches, "finds": synonym.finds, "domains": synonym.domains}


def _audit_synonym(
    request: HttpRequest, synonym: SearchSynonym, before: dict[str, list[str]], after: dict[str, list[str]]
) -> None:
    pairs = {name: (before.get(name, []), after.get(name, [])) for name in ("searches", "finds", "domains")}
    if changes := {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}:
        actor = Actor.from_request(request)
        log.record(AuditLog.Action.SYNONYM_CHANGED, actor=actor, target=synonym, changes=changes)
        transaction.on_commit(synonyms.forget)
