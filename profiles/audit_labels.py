"""Labels of audited profile fields, for the recent activity of an account."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from profiles.models import BuilderProfile, ClientProfile

#: Fields that are mentioned together, and names in the log that are not fields. All others use their `verbose_name`.
GROUPED: dict[str, str | Promise] = {
    **dict.fromkeys(("available_for_hire", "availability_confirmed_at"), _("availability")),
    "currency": _("hourly rate"),
    **dict.fromkeys(("validation_evidence", "validated_at"), _("tier")),
    **dict.fromkeys(("completed_projects", "response_rate"), _("track record")),
    **dict.fromkeys(("portfolio", "projects"), _("portfolio")),
    "badges": _("badges"),
}


def field_labels() -> dict[str, str | Promise]:
    """Return a label for every profile field with a translatable `verbose_name`. Fields without one are internal."""
    columns = (*BuilderProfile._meta.concrete_fields, *ClientProfile._meta.concrete_fields)
    return {
        column.name: column.verbose_name for column in columns if isinstance(column.verbose_name, Promise)
    } | GROUPED
