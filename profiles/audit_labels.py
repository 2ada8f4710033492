"""Labels for audited profile fields, shown in an account's recent activity."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from profiles.models import BuilderProfile, ClientProfile

#: Labels for grouped fields and for logged names that are not fields. Other fields use their `verbose_name`.
GROUPED: dict[str, str | Promise] = {
    **dict.fromkeys(("available_for_hire", "availability_confirmed_at"), _("availability")),
    "currency": _("hourly rate"),
    **dict.fromkeys(("validation_evidence", "validated_at"), _("tier")),
    **dict.fromkeys(("checked_items", "checked_projects", "checked_at"), _("tier")),
    "completed_projects": _("track record"),
    **dict.fromkeys(("portfolio", "projects"), _("portfolio")),
    "badges": _("badges"),
    "organizations": _("organizations"),
}


def field_labels() -> dict[str, str | Promise]:
    """Return labels for all profile fields whose model defines a translatable name. Fields without one are internal."""
    columns = (*BuilderProfile._meta.concrete_fields, *ClientProfile._meta.concrete_fields)
    names = {column: column.deconstruct()[3].get("verbose_name") for column in columns}
    return {column.name: name for column, name in names.items() if isinstance(name, Promise)} | GROUPED
