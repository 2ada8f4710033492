"""Onboarding forms. They reuse the profile sections' fields and validation rules."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from profiles.forms.sections import AboutForm, IntroductionForm, ProfileForm, SkillsForm, TermsForm
from profiles.models import BuilderProfile
from profiles.onboarding.services import Goal
from profiles.portfolio.forms import NewProjectForm


class GoalForm(forms.Form):
    goal = forms.TypedChoiceField(
        choices=Goal,
        coerce=Goal,
        widget=forms.RadioSelect,
        label=_("What brings you here?"),
        error_messages={"required": _("Choose one. You can change it at any time.")},
    )
    #: Set by the account page, where the buttons only add roles.
    keep_other_role = forms.BooleanField(required=False, widget=forms.HiddenInput)


class BuilderQuestionsForm(ProfileForm[BuilderProfile]):
    """The minimum fields for a new builder page."""

    headline = IntroductionForm.base_fields["headline"]
    skills = SkillsForm.base_fields["skills"]
    domains = SkillsForm.base_fields["domains"]
    page_language = AboutForm.base_fields["page_language"]
    languages = AboutForm.base_fields["languages"]
    hourly_rate = TermsForm.base_fields["hourly_rate"]
    location = TermsForm.base_fields["location"]
    time_zone = TermsForm.base_fields["time_zone"]

    class Meta:
        model = BuilderProfile
        fields = (
            *("headline", "page_language", "languages", "skills", "domains"),
            *("availability", "hourly_rate", "currency", "location", "time_zone"),
        )
        labels = TermsForm.Meta.labels
        help_texts = TermsForm.Meta.help_texts


class FirstProjectForm(NewProjectForm):
    """The essential project fields. Owners can fill in the other fields on their page later."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("technologies", "status"):
            del self.fields[name]

    @property
    def text_values(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in ("title", "description", "url")}
