"""What people type about themselves. The same rules hold for pages and for the JSON API."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from profiles.models import BuilderProfile

TOO_LONG = _("Shorten this to %(limit_value)d characters; it has %(show_value)d.")


class BuilderIntroductionForm(forms.ModelForm):  # type: ignore[type-arg]
    """The opening of a builder's page."""

    class Meta:
        model = BuilderProfile
        fields = ("display_name", "headline", "available_for_hire", "searchable")
        labels = {
            "display_name": _("Name"),
            "headline": _("Headline"),
            "available_for_hire": _("Available for hire"),
            "searchable": _("Listed in the directory"),
        }
        error_messages = {name: {"max_length": TOO_LONG} for name in ("display_name", "headline")}
        help_texts = {
            "display_name": _("Leave it empty to show your name as it is in your account."),
            "headline": _("One line that says what you do for clients."),
            "available_for_hire": _("Clients see whether you are open to new work."),
            "searchable": _("Otherwise only people who have the link find your page."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": ""} | kwargs)
        name = {"autocomplete": "name", "autofocus": True, "placeholder": self.instance.user.display_name}
        self.fields["display_name"].widget.attrs |= name
        for field in (self.fields["display_name"], self.fields["headline"]):
            field.widget.attrs["dir"] = "auto"
