"""What admins type about a builder."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from profiles.forms.fields import LineField, ParagraphsField
from profiles.models import Badge, BuilderProfile

Tier = BuilderProfile.Tier


class PlainForm(forms.Form):
    """A form about `profile`, with labels that end as they are written."""

    def __init__(self, *args: Any, profile: BuilderProfile, **kwargs: Any) -> None:
        self.profile = profile
        super().__init__(*args, **{"label_suffix": ""} | kwargs)


class TierForm(PlainForm):
    """How far a builder is validated, and on what grounds."""

    tier = forms.TypedChoiceField(
        coerce=int,
        label=_("Tier"),
        choices=[(tier.value, f"{tier.label}: {BuilderProfile.TIER_MEANINGS[tier]}") for tier in Tier],
    )
    evidence = ParagraphsField(
        max_length=500,
        required=False,
        label=_("What it rests on"),
        widget=forms.Textarea({"rows": 4}),
        help_text=_("What was reviewed, by whom, and where that is kept. A higher tier needs it."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {"tier": self.profile.validation_tier, "evidence": self.profile.validation_evidence}


class AwardForm(PlainForm):
    """One badge more."""

    kind = forms.ChoiceField(choices=Badge.Kind, label=_("Badge"))
    evidence = LineField(
        max_length=300,
        label=_("Evidence"),
        help_text=_("What it rests on, in words that everybody may read."),
        error_messages={"required": _("Say what the badge rests on: everybody may read it.")},
    )


class WithdrawForm(PlainForm):
    """Why a badge goes."""

    why = LineField(
        max_length=300,
        label=_("Why"),
        help_text=_("It goes into the log, which nobody can change; the badge goes from the page."),
        error_messages={"required": _("Say why the badge is withdrawn; it goes into the log.")},
    )


class HideForm(PlainForm):
    """Why a page is hidden."""

    reason = ParagraphsField(
        max_length=500,
        label=_("Reason"),
        widget=forms.Textarea({"rows": 4}),
        help_text=_("Its owner reads this, so say what would have to change."),
        error_messages={"required": _("Give a reason: the owner of the page reads it.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {"reason": self.profile.hidden_reason}


class RecordForm(PlainForm):
    """What a builder has done here, in figures."""

    completed_projects = forms.IntegerField(
        min_value=0,
        max_value=100_000,
        label=_("Completed projects"),
        error_messages={"max_value": _("More than %(limit_value)s projects are probably a slip; check the number.")},
    )
    response_rate = forms.IntegerField(
        min_value=0,
        max_value=100,
        required=False,
        label=_("Messages answered, per cent"),
        help_text=_("Leave it empty while there is too little to tell from."),
        error_messages={"max_value": _("A share is at most 100 per cent.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {name: getattr(self.profile, name) for name in self.fields}
