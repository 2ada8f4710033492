"""The sections of a profile that are edited by themselves: each has a form, and a template that shows it."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from profiles.forms import (
    AboutForm,
    IntroductionForm,
    LinksForm,
    ProfileForm,
    SkillsForm,
    TermsForm,
    VisibilityForm,
)


@dataclass(frozen=True, slots=True)
class Section:
    """One section.

    Attributes:
        key: stands in its address and in the id of its element, `section-<key>`.
        title: names its form and its button.
        form_class: its form.
        invitation: what its owner reads while it is empty; blank if it never is.
    """

    key: str
    title: str | Promise
    form_class: type[ProfileForm]
    invitation: str | Promise = ""

    @property
    def template(self) -> str:
        """The template that shows it, alone or on its page."""
        return f"profiles/sections/_{self.key}.html"


#: In the order of the page.
BUILDER_SECTIONS = {
    section.key: section
    for section in (
        Section("introduction", _("Introduction"), IntroductionForm),
        Section("terms", _("Rate and availability"), TermsForm, _("Say when you have time, and for how much.")),
        Section("about", _("About you"), AboutForm, _("Tell clients what you build, how you work, and for whom.")),
        Section("skills", _("Skills"), SkillsForm, _("Name your skills: clients search by them.")),
        Section("links", _("Links"), LinksForm, _("Show where else you are found.")),
        Section("visibility", _("Visibility"), VisibilityForm),
    )
}
