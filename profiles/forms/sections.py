"""Forms for profile fields. Pages and the JSON API use the same forms, and therefore the same validation rules."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, override

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core.forms import LineField, ParagraphsField
from profiles import slug_history
from profiles.forms import browser_rules
from profiles.forms.fields import (
    HireWidget,
    LanguagesField,
    LinkField,
    LinksField,
    ListField,
    PageSlugField,
    language_choices,
)
from profiles.localization.time_zones import zone_names
from profiles.models import BuilderProfile, ClientProfile, Domain, Project
from profiles.models.builder import MAX_EXPERTISE, MAX_LINKS, MAX_SKILLS
from profiles.models.portfolio import MAX_TECHNOLOGIES

MAX_BIO_LENGTH = 5000
#: In any currency. A higher rate is probably a typo.
MAX_RATE = Decimal(99999)
MAX_PROJECT = 999_999_999
MAX_WAIT = timedelta(days=731)


def time_zones() -> list[tuple[str, str | Promise]]:
    """Return choices for all geographic time zones."""
    return [("", _("Not stated")), *((zone, zone.replace("_", " ")) for zone in zone_names())]


class DescribedField(forms.BoundField):
    """A bound field whose aria-describedby always includes its error list, because the browser can add errors later."""

    @property
    def aria_describedby(self) -> str:
        return f"{self.auto_id}_helptext {self.auto_id}_error" if self.help_text else f"{self.auto_id}_error"


class BrowserRulesMixin(forms.BaseForm):
    """Add each field's rules and messages for static/js/editing-validity.js."""

    bound_field_class = DescribedField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": ""} | kwargs)
        for field in self.fields.values():
            if isinstance(field, forms.ChoiceField):
                field.error_messages["invalid_choice"] = _("Choose one of the options.")
            field.widget.attrs |= browser_rules.attributes(field)


class ProfileForm[M: Model](BrowserRulesMixin, forms.ModelForm[M]):
    """Base form for a profile section.

    Like every ModelForm, it changes its `instance` during validation. Pass a copy if the page also shows the profile.
    """

    def value_of(self, stored: Model, name: str) -> Any:
        """Return the value that the form shows for a stored row."""
        return getattr(stored, name)

    def focus_first(self) -> None:
        """Autofocus the first field with an error, or the first field if there are no errors."""
        first = next(
            (self.fields[name] for name in self.fields if name in self.errors), next(iter(self.fields.values()))
        )
        if not first.widget.use_fieldset:  # Every checkbox would get the attribute.
            first.widget.attrs["autofocus"] = True


class IntroductionForm(ProfileForm[BuilderProfile]):
    display_name = LineField(
        max_length=120,
        required=False,
        label=_("Name"),
        help_text=_("Leave blank to use your account name."),
    )
    headline = LineField(
        max_length=160, required=False, label=_("Headline"), help_text=_("What you do for clients, in one line.")
    )
    tagline = LineField(max_length=160, required=False, label=_("Tagline"), help_text=_("Shown below your headline."))

    class Meta:
        model = BuilderProfile
        fields = ("display_name", "headline", "tagline")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        attrs = {"autocomplete": "name", "placeholder": self.instance.user.display_name}
        self.fields["display_name"].widget.attrs |= attrs


class AboutForm(ProfileForm[BuilderProfile]):
    bio = ParagraphsField(
        max_length=MAX_BIO_LENGTH,
        required=False,
        label=_("Bio"),
        help_text=_(
            "What you build, how you work and who you work for. Markdown: **bold**, *italics*, lists and links."
        ),
    )
    page_language = forms.ChoiceField(
        choices=lambda: [("", _("Not stated")), *language_choices()],
        required=False,
        label=_("Language of your page"),
        help_text=_("The language you write in. Screen readers and translators need it."),
    )
    languages = LanguagesField(
        required=False, label=_("Languages you speak"), help_text=_("Clients can filter by language.")
    )
    years_experience = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=70,
        label=_("Years of experience"),
        error_messages={
            "invalid": _("Enter a whole number of years."),
            "min_value": _("Enter a number from 0 to 70."),
            "max_value": _("Enter a number from 0 to 70."),
        },
    )

    class Meta:
        model = BuilderProfile
        fields = ("bio", "page_language", "languages", "years_experience")


class SkillsForm(ProfileForm[BuilderProfile]):
    skills = ListField(
        max_items=MAX_SKILLS,
        max_entry_length=40,
        required=False,
        label=_("Skills"),
        help_text=_(
            "Tools and languages you work with, such as Django, Swift or Figma. Separate with commas, most important "
            "first. Your page shows the first seven, but clients can search for all of them."
        ),
    )
    expertise = ListField(
        max_items=MAX_EXPERTISE,
        max_entry_length=80,
        required=False,
        label=_("Areas of expertise"),
        help_text=_(
            "Problems you know how to solve, such as offline sync, payments or accessibility. Separate with commas."
        ),
    )
    domains = forms.MultipleChoiceField(
        choices=Domain,
        required=False,
        label=_("Domains"),
        help_text=_(
            "The kinds of app you build. Clients filter by domain. If you build apps for patients, for example, choose "
            "Mobile apps and Health."
        ),
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = BuilderProfile
        fields = ("skills", "expertise", "domains")


class OneAvailabilityMixin(ProfileForm[BuilderProfile]):
    """Show `availability` and `available_for_hire` as one field."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["availability"] = self.instance.chosen_availability

    @override
    def value_of(self, stored: Model, name: str) -> Any:
        return getattr(stored, "chosen_availability" if name == "availability" else name)


class TermsForm(OneAvailabilityMixin):
    """Availability, rate and location."""

    hourly_rate = forms.DecimalField(
        required=False,
        min_value=Decimal("0.01"),
        max_value=MAX_RATE,
        decimal_places=2,
        label=_("Hourly rate"),
        help_text=_("Leave blank to agree a rate for each project."),
        error_messages={
            "invalid": _("Enter the rate as a number, like 85 or 85.50."),
            "min_value": _("Enter a rate above zero, or leave it blank to agree a rate for each project."),
            "max_value": _("Enter a rate of %(limit_value)s or less."),
            "max_decimal_places": _("Enter the rate with at most two decimal places."),
        },
    )
    min_project = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_PROJECT,
        label=_("Smallest project"),
        help_text=_("The lowest budget you accept, in the currency above."),
        error_messages={
            "invalid": _("Enter a whole number, like 2000."),
            "min_value": _("Enter a budget above zero, or leave it blank."),
            "max_value": _("Enter a budget of %(limit_value)s or less."),
        },
    )
    available_from = forms.DateField(
        required=False,
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
        label=_("Start date"),
        help_text=_("The earliest day you can start. Leave blank if you can start now."),
        error_messages={"invalid": _("Enter a date as year, month and day, like 2027-01-15.")},
    )
    days_per_week = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=7,
        label=_("Days per week"),
        help_text=_("How many days a week you can work for one client."),
        error_messages={
            "invalid": _("Enter a whole number of days."),
            "min_value": _("Enter a number from 1 to 7."),
            "max_value": _("Enter a number from 1 to 7."),
        },
    )
    location = LineField(
        max_length=120, required=False, label=_("Location"), help_text=_("Your town or city, and country.")
    )
    time_zone = forms.ChoiceField(
        choices=time_zones, required=False, label=_("Time zone"), help_text=_("Your page shows your local time.")
    )

    def clean_available_from(self) -> date | None:
        """Limit the date to the next two years. A past date means that the builder is available now."""
        day: date | None = self.cleaned_data["available_from"]
        if day and day > timezone.localdate() + MAX_WAIT:
            raise ValidationError(_("Enter a date within the next two years."))
        return day

    class Meta:
        model = BuilderProfile
        fields = (
            "availability",
            "available_for_hire",
            "available_from",
            "days_per_week",
            "hourly_rate",
            "currency",
            "min_project",
            "location",
            "time_zone",
            "adhd_friendly",
        )
        widgets = {"available_for_hire": HireWidget}
        labels = {
            "availability": _("Availability"),
            "available_for_hire": _("Taking on work"),
            "currency": _("Currency"),
            "adhd_friendly": _("ADHD-friendly"),
        }
        help_texts = {
            "availability": _(
                "Saving confirms your availability as of today. Builders who confirmed recently rank higher."
            ),
            "available_for_hire": _("While this is off, clients see “Unavailable”, whatever your availability is."),
            "adhd_friendly": _("You work in small steps, agree clear next actions and keep calls short."),
        }


class LinksForm(ProfileForm[BuilderProfile]):
    links = LinksField(
        max_items=MAX_LINKS,
        max_entry_length=300,
        required=False,
        label=_("Links"),
        help_text=_("One URL per line: your website, code, talks or other profiles."),
    )

    class Meta:
        model = BuilderProfile
        fields = ("links",)


class VisibilityForm(ProfileForm[BuilderProfile]):
    slug = PageSlugField(
        label=_("Page URL"),
        help_text=_("The last part of your page’s URL: /builders/this-part/. Previous URLs redirect to the new one."),
    )

    class Meta:
        model = BuilderProfile
        fields = ("slug", "searchable")
        labels = {"searchable": _("Listed in the directory")}
        help_texts = {"searchable": _("If this is off, only people with the link can find your page.")}

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"]
        if problem := slug_history.slug_error(slug, self.instance):
            raise ValidationError(problem)
        return slug


class AvailabilityForm(OneAvailabilityMixin):
    """The availability switch."""

    class Meta:
        model = BuilderProfile
        fields = ("availability", "available_for_hire")
        widgets = {"available_for_hire": HireWidget}


class ClientForm(ProfileForm[ClientProfile]):
    company_name = LineField(max_length=120, required=False, label=_("Company"))
    industry = LineField(max_length=80, required=False, label=_("Industry"))
    project_preferences = ParagraphsField(
        max_length=2000,
        required=False,
        label=_("Projects you are looking for"),
        help_text=_("What kind of apps, how you like to work and when you want to start."),
    )

    class Meta:
        model = ClientProfile
        fields = ("company_name", "industry", "project_preferences")


class ProjectForm(ProfileForm[Project]):
    """A portfolio project without its images."""

    title = LineField(max_length=120, label=_("Title"), error_messages={"required": _("Enter a title.")})
    description = ParagraphsField(
        max_length=1000,
        required=False,
        label=_("Description"),
        help_text=_("What it does, who it is for and what you contributed."),
    )
    url = LinkField(max_length=500, required=False, label=_("Link"))
    technologies = ListField(
        max_items=MAX_TECHNOLOGIES,
        max_entry_length=40,
        required=False,
        label=_("Technologies"),
        help_text=_("Separate with commas."),
    )

    class Meta:
        model = Project
        fields = ("title", "description", "url", "technologies", "status")
        labels = {"status": _("Status")}
