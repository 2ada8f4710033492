"""Forms for reports, and for admins' decisions about them."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from core.forms import ParagraphsField
from profiles.models import Report


class ReportForm(forms.Form):
    reason = forms.ChoiceField(
        choices=[("", _("Choose a reason")), *Report.Reason.choices],
        label=_("What is wrong?"),
        error_messages={"required": _("Choose what is wrong.")},
    )
    text = ParagraphsField(
        max_length=2000,
        required=False,
        label=_("Details"),
        widget=forms.Textarea({"rows": 5}),
        help_text=_("Tell us what is wrong and where to find it."),
    )
    conditional_fields = ("text",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": ""} | kwargs)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if values.get("reason") == Report.Reason.OTHER and not values.get("text"):
            self.add_error("text", _("Describe what is wrong."))
        return values


class MessageReportForm(ReportForm):
    block = forms.BooleanField(
        required=False, initial=True, label=_("Also block the sender"), help_text=_("They can no longer message you.")
    )


class DecisionForm(forms.Form):
    """The submit buttons contain the decision."""

    state = forms.ChoiceField(choices=[(Report.State.UPHELD, ""), (Report.State.DISMISSED, "")])
    note = ParagraphsField(
        max_length=1000,
        label=_("Reason for the decision"),
        widget=forms.Textarea({"rows": 4}),
        help_text=_("Only admins can read it."),
        error_messages={"required": _("Enter a reason.")},
    )
