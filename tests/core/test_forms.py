"""Text fields of all forms reject values without visible characters."""

from typing import Any

import pytest
from django import forms

from accounts.admin.identity import ResolutionForm
from profiles.contact.forms import ContactForm
from profiles.forms.sections import AboutForm, ClientForm, IntroductionForm, ProjectForm, SkillsForm
from profiles.models import BuilderProfile
from profiles.moderation.forms import AwardForm, HideForm, WithdrawForm
from webhooks.admin.alerts import AlertActionForm
from webhooks.admin.events.actions import ReasonForm
from webhooks.admin.events.detail import RevealForm

INVISIBLE = "\u3164\u0301\u2065"


def cleaned(form: forms.BaseForm, field: str) -> Any:
    form.is_valid()
    return form.cleaned_data.get(field)


@pytest.mark.parametrize(
    ("form", "field"),
    (
        (ContactForm, "subject"),
        (ContactForm, "body"),
        (ProjectForm, "title"),
        (ReasonForm, "reason"),
        (RevealForm, "reason"),
    ),
)
def test_required_text_must_be_visible(form: type[forms.Form], field: str) -> None:
    assert form({field: INVISIBLE}).has_error(field, "required")


@pytest.mark.parametrize(
    ("form", "field"), ((AwardForm, "evidence"), (WithdrawForm, "reason"), (HideForm, "reason")), ids=str
)
def test_reasons_of_moderators_must_be_visible(form: type[Any], field: str) -> None:
    assert form({field: INVISIBLE}, profile=BuilderProfile()).has_error(field, "required")


@pytest.mark.parametrize(
    ("form", "field", "empty"),
    (
        (AboutForm, "bio", ""),
        (ClientForm, "company_name", ""),
        (SkillsForm, "skills", []),
        (AlertActionForm, "note", ""),
        (ResolutionForm, "note", ""),
    ),
)
def test_optional_text_that_is_invisible_counts_as_blank(form: type[forms.Form], field: str, empty: Any) -> None:
    data = {"action": "acknowledge", "resolution": "undo", field: INVISIBLE}
    assert cleaned(form(data), field) == empty


def test_invisible_display_name_counts_as_blank() -> None:
    assert IntroductionForm.base_fields["display_name"].clean(INVISIBLE) == ""


def test_list_entries_that_differ_in_a_letter_mark_are_kept() -> None:
    typed = "バス, ハス, Café, cafe, й, и"
    assert SkillsForm.base_fields["skills"].clean(typed) == ["バス", "ハス", "Café", "й", "и"]
