"""Forms for admins."""

from typing import Any

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from core.forms import LineField, ParagraphsField
from profiles.models import Badge, BuilderProfile, CheckedItem

Tier = BuilderProfile.Tier


class ModerationForm(forms.Form):
    def __init__(self, *args: Any, profile: BuilderProfile, **kwargs: Any) -> None:
        self.profile = profile
        super().__init__(*args, **{"label_suffix": ""} | kwargs)


class CheckedForm(forms.Form):
    """What an admin checked. Pages show it with the date."""

    checked_items = forms.MultipleChoiceField(
        choices=[(item.value, capfirst(item.label)) for item in CheckedItem],
        required=False,
        label=_("Checked"),
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Shown publicly on the profile, with today’s date."),
    )
    checked_projects = forms.IntegerField(
        min_value=0,
        max_value=1000,
        required=False,
        label=_("Number of completed projects checked"),
        error_messages={"max_value": _("Enter %(limit_value)s or less.")},
    )

    def clean_checked_projects(self) -> int:
        return self.cleaned_data["checked_projects"] or 0


class TierForm(CheckedForm, ModerationForm):
    field_order = ["tier", "evidence"]

    tier = forms.TypedChoiceField(
        coerce=int,
        label=_("Tier"),
        choices=[(tier.value, f"{tier.label}: {BuilderProfile.TIER_MEANINGS[tier]}") for tier in Tier],
    )
    evidence = ParagraphsField(
        max_length=500,
        required=False,
        label=_("Evidence"),
        widget=forms.Textarea({"rows": 4}),
        help_text=_("What was reviewed, by whom and where it is stored. Required for a higher tier."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {"tier": self.profile.validation_tier, "evidence": self.profile.validation_evidence}
        self.initial |= {name: getattr(self.profile, name) for name in CheckedForm.base_fields}


class AwardForm(ModerationForm):
    kind = forms.ChoiceField(choices=Badge.Kind, label=_("Badge"))
    evidence = LineField(
        max_length=300,
        label=_("Evidence"),
        help_text=_("Shown publicly on the profile."),
        error_messages={"required": _("Enter the evidence for this badge. It is shown publicly.")},
    )


class WithdrawForm(ModerationForm):
    reason = LineField(
        max_length=300,
        label=_("Reason"),
        help_text=_("Recorded in the audit log. The badge is removed from the page."),
        error_messages={"required": _("Enter a reason. It is recorded in the audit log.")},
    )


class HideForm(ModerationForm):
    reason = ParagraphsField(
        max_length=500,
        label=_("Reason"),
        widget=forms.Textarea({"rows": 4}),
        help_text=_("Shown to the owner. Explain what needs to change."),
        error_messages={"required": _("Enter a reason. It is shown to the owner.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {"reason": self.profile.hidden_reason}


class RecordForm(ModerationForm):
    completed_projects = forms.IntegerField(
        min_value=0,
        max_value=100_000,
        label=_("Completed projects"),
        error_messages={"max_value": _("Enter %(limit_value)s or less.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {name: getattr(self.profile, name) for name in self.fields}
