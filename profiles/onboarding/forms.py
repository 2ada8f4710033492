"""The questions of the first minutes. Their fields, and so their rules, are those of the sections that they fill in."""

from django import forms
from django.utils.translation import gettext_lazy as _

from profiles.forms.sections import IntroductionForm, ProfileForm, SkillsForm, TermsForm
from profiles.models import BuilderProfile
from profiles.onboarding.services import Goal


class GoalForm(forms.Form):
    """What somebody is here for."""

    goal = forms.TypedChoiceField(
        choices=Goal,
        coerce=Goal,
        widget=forms.RadioSelect,
        label=_("What are you here for?"),
        error_messages={"required": _("Choose one; you can change it at any time.")},
    )
    #: Whoever becomes something besides, on the account page, keeps what they are, also what that page did not know of yet.
    keep_other_role = forms.BooleanField(required=False, widget=forms.HiddenInput)


class BuilderQuestionsForm(ProfileForm):
    """The three things that make a page worth looking at."""

    headline = IntroductionForm.base_fields["headline"]
    skills = SkillsForm.base_fields["skills"]
    domains = SkillsForm.base_fields["domains"]
    hourly_rate = TermsForm.base_fields["hourly_rate"]

    class Meta:
        model = BuilderProfile
        fields = ("headline", "skills", "domains", "availability", "hourly_rate", "currency")
        labels = TermsForm.Meta.labels
        help_texts = TermsForm.Meta.help_texts
