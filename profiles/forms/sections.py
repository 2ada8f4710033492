"""What people type about themselves. The same rules hold for pages and for the JSON API."""

from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from profiles import slug_history
from profiles.forms import browser_rules
from profiles.forms.fields import AddressField, LineField, LinkField, LinksField, ListField, ParagraphsField
from profiles.models import BuilderProfile, ClientProfile, Domain, Project
from profiles.models.builder import MAX_EXPERTISE, MAX_LINKS, MAX_SKILLS
from profiles.models.portfolio import MAX_TECHNOLOGIES

LONGEST_BIO = 5000
#: In whatever currency; more is a slip of the keyboard.
HIGHEST_RATE = Decimal(99999)


@cache  # finding them means looking at some hundred files
def time_zones() -> list[tuple[str, Any]]:
    """Return the zones that people live in, for a list to choose from."""
    zones = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "SystemV/")))
    return [("", _("Not said")), *((zone, zone.replace("_", " ")) for zone in zones)]


class DescribedField(forms.BoundField):
    """A field that is described by its errors before there are any: the browser finds them, too."""

    @property
    def aria_describedby(self) -> str:
        """Return the ids of its help and of its errors."""
        return f"{self.auto_id}_helptext {self.auto_id}_error" if self.help_text else f"{self.auto_id}_error"


class BrowserRulesMixin(forms.BaseForm):
    """Gives the browser the rules and messages of the fields; static/js/editing-validity.js then checks by them."""

    bound_field_class = DescribedField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": ""} | kwargs)
        for field in self.fields.values():
            if isinstance(field, forms.ChoiceField):
                field.error_messages["invalid_choice"] = _("Choose from what is offered.")
            field.widget.attrs |= browser_rules.attributes(field)


class ProfileForm(BrowserRulesMixin, forms.ModelForm):  # type: ignore[type-arg]
    """One section of a profile.

    The form changes its `instance` while it validates, as Django's do: give it a copy where the profile is shown, too.
    """

    def focus_first(self) -> None:
        """Have the page begin in the first field with an error, else in the first of all."""
        first = next(
            (self.fields[name] for name in self.fields if name in self.errors), next(iter(self.fields.values()))
        )
        if not first.widget.use_fieldset:  # each of its boxes would have it
            first.widget.attrs["autofocus"] = True


class IntroductionForm(ProfileForm):
    """Who somebody is, in three lines."""

    display_name = LineField(
        max_length=120,
        required=False,
        label=_("Name"),
        help_text=_("Leave it empty to show your name as it is in your account."),
    )
    headline = LineField(
        max_length=160, required=False, label=_("Headline"), help_text=_("One line that says what you do for clients.")
    )
    tagline = LineField(
        max_length=160, required=False, label=_("Tagline"), help_text=_("A line in your own voice, below the headline.")
    )

    class Meta:
        model = BuilderProfile
        fields = ("display_name", "headline", "tagline")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name = {"autocomplete": "name", "placeholder": self.instance.user.display_name}
        self.fields["display_name"].widget.attrs |= name


class AboutForm(ProfileForm):
    """The longer text."""

    bio = ParagraphsField(
        max_length=LONGEST_BIO,
        required=False,
        label=_("About you"),
        help_text=_("What you build, how you work, and for whom. Markdown makes **bold**, lists and links."),
    )

    class Meta:
        model = BuilderProfile
        fields = ("bio",)


class SkillsForm(ProfileForm):
    """What somebody can do."""

    skills = ListField(
        most=MAX_SKILLS,
        longest=40,
        required=False,
        label=_("Skills"),
        help_text=_("The most important first, with commas between them. The first seven show; search finds them all."),
    )
    expertise = ListField(
        most=MAX_EXPERTISE,
        longest=80,
        required=False,
        label=_("Areas of expertise"),
        help_text=_("What you know more about than most, with commas between: offline sync, payments, accessibility."),
    )
    domains = forms.MultipleChoiceField(
        choices=Domain, required=False, label=_("Domains"), widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = BuilderProfile
        fields = ("skills", "expertise", "domains")


class TermsForm(ProfileForm):
    """What clients ask first: when, where and for how much."""

    hourly_rate = forms.DecimalField(
        required=False,
        min_value=Decimal("0.01"),
        max_value=HIGHEST_RATE,
        decimal_places=2,
        label=_("Hourly rate"),
        help_text=_("Leave it empty to agree on it for each project."),
        error_messages={
            "invalid": _("Write the rate as a number, like 85 or 85.50."),
            "min_value": _("The rate must be more than zero; leave it empty to agree on it for each project."),
            "max_value": _("A rate of more than %(limit_value)s an hour is probably a slip; check the number."),
            "max_decimal_places": _("Give the rate with at most two digits after the point."),
        },
    )
    location = LineField(
        max_length=120, required=False, label=_("Place"), help_text=_("A town and country, as clients know them.")
    )
    time_zone = forms.ChoiceField(
        choices=time_zones, required=False, label=_("Time zone"), help_text=_("Your page shows your local time.")
    )

    class Meta:
        model = BuilderProfile
        fields = (
            "availability",
            "available_for_hire",
            "hourly_rate",
            "currency",
            "location",
            "time_zone",
            "adhd_friendly",
        )
        labels = {
            "availability": _("Availability"),
            "available_for_hire": _("Available for hire"),
            "currency": _("Currency"),
            "adhd_friendly": _("ADHD-friendly focus"),
        }
        help_texts = {
            "availability": _("Saving confirms it as of today. Recently confirmed builders rank higher."),
            "available_for_hire": _("Turn this off if you do not take on any projects."),
            "adhd_friendly": _(
                "You work in ways that suit people with ADHD: small steps, clear next ones, short calls."
            ),
        }


class LinksForm(ProfileForm):
    """Where else somebody is found."""

    links = LinksField(
        most=MAX_LINKS,
        longest=300,
        required=False,
        label=_("Links"),
        help_text=_("One address a line: your site, code, talks, other profiles."),
    )

    class Meta:
        model = BuilderProfile
        fields = ("links",)


class VisibilityForm(ProfileForm):
    """Who finds the page, and where."""

    slug = AddressField(
        label=_("Address of your page"),
        help_text=_(
            "The end of it: /builders/this-part/. The addresses that your page had before lead to the new one."
        ),
    )

    class Meta:
        model = BuilderProfile
        fields = ("slug", "searchable")
        labels = {"searchable": _("Listed in the directory")}
        help_texts = {"searchable": _("Otherwise only people who have the link find your page.")}

    def clean_slug(self) -> str:
        """Refuse what is taken, or was."""
        slug: str = self.cleaned_data["slug"]
        if problem := slug_history.slug_error(slug, self.instance):
            raise ValidationError(problem)
        return slug


class AvailabilityForm(ProfileForm):
    """The one thing about themselves that people change often."""

    class Meta:
        model = BuilderProfile
        fields = ("availability",)


class ClientForm(ProfileForm):
    """What a client tells about the company."""

    company_name = LineField(max_length=120, required=False, label=_("Company"))
    industry = LineField(max_length=80, required=False, label=_("Industry"))
    project_preferences = ParagraphsField(
        max_length=2000,
        required=False,
        label=_("Projects you look for"),
        help_text=_("What kind of apps, how you like to work, when you want to begin."),
    )

    class Meta:
        model = ClientProfile
        fields = ("company_name", "industry", "project_preferences")


class ProjectForm(ProfileForm):
    """One piece of work in the portfolio; its picture has a field of its own, see profiles.media.images."""

    title = LineField(max_length=120, label=_("Title"), error_messages={"required": _("Give the project a title.")})
    description = ParagraphsField(
        max_length=1000,
        required=False,
        label=_("What it is"),
        help_text=_("What it does, for whom, and your part in it."),
    )
    url = LinkField(max_length=500, required=False, label=_("Link"))
    technologies = ListField(
        most=MAX_TECHNOLOGIES, longest=40, required=False, label=_("Made with"), help_text=_("With commas between.")
    )
    image_alt = LineField(
        max_length=200,
        required=False,
        label=_("What the picture shows"),
        help_text=_("For people who cannot see it."),
    )

    class Meta:
        model = Project
        fields = ("title", "description", "url", "technologies", "status", "image_alt")
        labels = {"status": _("Status")}
