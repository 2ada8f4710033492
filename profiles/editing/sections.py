"""The sections of a profile that are edited by themselves: each has a form, and a template that shows it."""

from dataclasses import dataclass

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

type Words = str | Promise


@dataclass(frozen=True, slots=True)
class Section:
    """One section.

    Attributes:
        key: stands in its address and in the id of its element, `section-<key>`.
        title: names its form.
        edit: what the control that opens its form says.
        save: what the button of its form says.
        form_class: its form.
        invitation: what its owner reads while it is empty; blank if it never is.
        confirms_availability: saving it says that the availability in it is true today.
    """

    key: str
    title: Words
    edit: Words
    save: Words
    form_class: type[ProfileForm]
    invitation: Words = ""
    confirms_availability: bool = False

    @property
    def template(self) -> str:
        """The template that shows it, alone or on its page."""
        return f"profiles/sections/_{self.key}.html"


#: In the order of the page.
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
            _("Say when you have time, and for how much."),
            confirms_availability=True,
        ),
        Section(
            "about",
            _("About you"),
            _("Edit the text about you"),
            _("Save the text about you"),
            AboutForm,
            _("Tell clients what you build, how you work, and for whom."),
        ),
        Section(
            "skills",
            _("Skills"),
            _("Edit skills"),
            _("Save skills"),
            SkillsForm,
            _("Name your skills: clients search by them."),
        ),
        Section("links", _("Links"), _("Edit links"), _("Save links"), LinksForm, _("Show where else you are found.")),
        Section("visibility", _("Visibility"), _("Edit visibility"), _("Save visibility"), VisibilityForm),
    )
}
CLIENT_SECTION = Section("client", _("Client profile"), _("Edit client profile"), _("Save client profile"), ClientForm)
