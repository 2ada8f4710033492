"""The form with which admins publish a legal text."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.legal import texts
from accounts.models.legal import MAX_TEXT_LENGTH
from core.forms import LineField, ParagraphsField

#: Language codes and the languages' own names.
LANGUAGES: dict[str, str] = dict(settings.LANGUAGES)


class PublicationForm(forms.Form):
    """A text in each language. Languages without a text fall back to another language."""

    based_on = forms.IntegerField(widget=forms.HiddenInput, min_value=0, max_value=10**9)
    changes = LineField(
        max_length=300,
        required=False,
        label=_("What changed"),
        help_text=_("One sentence for users who agreed to an earlier version. Not needed for the first version."),
        widget=forms.TextInput({"size": 60}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for code, name in LANGUAGES.items():
            widget = forms.Textarea({"rows": 20, "cols": 80, "lang": code})
            self.fields[f"text_{code}"] = ParagraphsField(
                max_length=MAX_TEXT_LENGTH, required=False, label=name, widget=widget
            )

    @property
    def texts(self) -> dict[str, str]:
        """The texts by language, without blank ones."""
        values = ((code, self.cleaned_data.get(f"text_{code}", "")) for code in LANGUAGES)
        return {code: text for code, text in values if text}

    def clean(self) -> dict[str, Any]:
        for code, text in self.texts.items():
            if placeholder := texts.find_placeholder(text):
                message = _("Replace “%(placeholder)s” before you publish the text.")
                self.add_error(f"text_{code}", ValidationError(message, params={"placeholder": placeholder}))
        if not self.texts and not self.errors:
            raise ValidationError(_("Enter the text in at least one language."))
        if self.cleaned_data.get("based_on") and not self.cleaned_data.get("changes"):
            self.add_error("changes", _("Describe what changed, so that users do not have to compare the versions."))
        return self.cleaned_data
