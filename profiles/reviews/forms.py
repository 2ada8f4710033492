"""Forms for review requests, and for admins' decisions about them."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from core.forms import LineField, ParagraphsField
from profiles.forms.fields import LinksField
from profiles.models import Badge, BuilderProfile, ReviewRequest
from profiles.moderation.forms import CheckedForm
from profiles.reviews.evidence import EvidenceField
from profiles.reviews.subjects import Subject, open_subjects

State = ReviewRequest.State
Tier = BuilderProfile.Tier


class ReviewRequestForm(forms.Form):
    subject = forms.ChoiceField(
        label=_("What should we review?"),
        error_messages={
            "required": _("Choose a tier or a badge."),
            "invalid_choice": _(
                "You already have this tier or badge, or a request for it is open. Choose something else."
            ),
        },
    )
    text = ParagraphsField(
        max_length=4000,
        required=False,
        label=_("Description"),
        widget=forms.Textarea({"rows": 6}),
        help_text=_("What you have done, and how we can check it."),
    )
    links = LinksField(
        max_items=10,
        max_entry_length=300,
        required=False,
        label=_("Links"),
        help_text=_("One per line. For example, finished apps, public code or articles."),
    )
    attachments = EvidenceField(
        required=False,
        label=_("Files"),
        help_text=_("PDF, JPEG, PNG, WebP or GIF. Up to 5 files, 8 MB in total."),
    )
    conditional_fields = ("text", "links", "attachments")

    def __init__(self, *args: Any, profile: BuilderProfile, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": ""} | kwargs)
        self.subjects = {subject.value: subject for subject in open_subjects(profile)}
        subject: Any = self.fields["subject"]
        subject.choices = [("", _("Choose a tier or a badge")), *self._choices()]

    def _choices(self) -> list[tuple[Any, list[tuple[str, Any]]]]:
        tiers = [(value, Tier(each.tier).label) for value, each in self.subjects.items() if each.tier]
        badges = [(value, Badge.Kind(each.badge).label) for value, each in self.subjects.items() if each.badge]
        return [group for group in ((_("Tier"), tiers), (_("Badge"), badges)) if group[1]]

    def clean_subject(self) -> Subject:
        return self.subjects[self.cleaned_data["subject"]]

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        has_evidence = any(values.get(name) or name in self.errors for name in ("text", "links", "attachments"))
        if not has_evidence:
            self.add_error("text", _("Add a description, a link or a file, so that we have something to check."))
        elif self.errors and values.get("attachments"):
            self.add_error("attachments", _("Choose the files again. Your browser has not kept them."))
        return values


class DecisionForm(CheckedForm):
    """The submit buttons contain the decision. Only the fields for the requested tier or badge are shown."""

    field_order = ["checked_items", "checked_projects", "badge_evidence", "reason"]

    state = forms.ChoiceField(
        choices=[(State.GRANTED, ""), (State.DECLINED, "")],
        widget=forms.HiddenInput,
        error_messages={"required": _("Choose a decision.")},
    )
    badge_evidence = LineField(
        max_length=300,
        required=False,
        label=_("Public evidence"),
        widget=forms.TextInput({"size": 60}),
        help_text=_("Shown publicly on the profile."),
    )
    reason = ParagraphsField(
        max_length=450,
        label=_("Reason for the decision"),
        widget=forms.Textarea({"rows": 4}),
        help_text=_("The builder can read it."),
        error_messages={"required": _("Enter a reason.")},
    )

    def __init__(self, *args: Any, review: ReviewRequest, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": ""} | kwargs)
        for name in CheckedForm.base_fields if review.badge else ("badge_evidence",):
            del self.fields[name]

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if values.get("state") == State.GRANTED:
            self._require_public_facts(values)
        return values

    def _require_public_facts(self, values: dict[str, Any]) -> None:
        """Require what the page will show, so that a granted request always says what was checked."""
        if "badge_evidence" in self.fields:
            if not values.get("badge_evidence") and "badge_evidence" not in self.errors:
                self.add_error("badge_evidence", _("Enter the evidence for this badge. It is shown publicly."))
        elif not values.get("checked_items") and not values.get("checked_projects"):
            self.add_error("checked_items", _("Choose what you checked. It is shown publicly."))
