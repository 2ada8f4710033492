"""Profile sections. Each section has a form and a display template, and is edited separately."""

from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from profiles.forms.sections import (
    AboutForm,
    ClientForm,
    IntroductionForm,
    LinksForm,
    ProfileForm,
    SkillsForm,
    TermsForm,
    VisibilityForm,
)

type Text = str | Promise


@dataclass(frozen=True, slots=True)
class Section:
    """A profile section.

    Attributes:
        key: used in the section's URL and element id (`section-<key>`).
        title: the form's heading.
        edit: the label of the link that opens the form.
        save: the submit button's label.
        invitation: the text shown to the owner while the section is empty.
        also_restored: model fields outside the form that are restored with the section.
        confirms_availability: whether saving the section also confirms the availability.
    """

    key: str
    title: Text
    edit: Text
    save: Text
    form_class: type[ProfileForm[Any]]
    invitation: Text = ""
    also_restored: tuple[str, ...] = ()
    confirms_availability: bool = False

    @property
    def template(self) -> str:
        return f"profiles/sections/_{self.key}.html"


#: In page order.
BUILDER_SECTIONS = {
    section.key: section
    for section in (
        Section("introduction", _("Introduction"), _("Edit introduction"), _("Save introduction"), IntroductionForm),
        Section(
            "terms",
            _("Rate and availability"),
            _("Edit rate and availability"),
            _("Save rate and availability"),
            TermsForm,
            _("Add your rate and availability."),
            also_restored=("availability_confirmed_at",),
            confirms_availability=True,
        ),
        Section(
            "about",
            _("About"),
            _("Edit bio"),
            _("Save bio"),
            AboutForm,
            _("Describe what you build, how you work and who you work for."),
        ),
        Section(
            "skills",
            _("Skills and expertise"),
            _("Edit skills"),
            _("Save skills"),
            SkillsForm,
            _("Add your skills. Clients search by them."),
        ),
        Section(
            "links",
            _("Links"),
            _("Edit links"),
            _("Save links"),
            LinksForm,
            _("Add links to your website and other profiles."),
        ),
        Section("visibility", _("Visibility"), _("Edit visibility"), _("Save visibility"), VisibilityForm),
    )
}
CLIENT_SECTION = Section("client", _("Client profile"), _("Edit client profile"), _("Save client profile"), ClientForm)
