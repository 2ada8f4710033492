"""Sample forms with every kind of field."""

from typing import Any

from django import forms

LANGUAGES = [("", "Choose a language"), ("en", "English"), ("pl", "Polish")]
LEVELS = [("", "Level"), ("native", "Native"), ("fluent", "Fluent")]


class LanguageWidget(forms.MultiWidget):
    """A language and its level in one row."""

    def __init__(self) -> None:
        labels = ((LANGUAGES, "Language 1"), (LEVELS, "Level of language 1"))
        super().__init__([forms.Select({"aria-label": label}, choices=choices) for choices, label in labels])

    def decompress(self, value: Any) -> list[str]:
        return [] if value is None else list(value)


class CropWidget(forms.MultiWidget):
    def __init__(self) -> None:
        sides = ("Left", "Top", "Right", "Bottom")
        super().__init__({side.lower(): forms.NumberInput({"title": side, "min": 0, "max": 95}) for side in sides})

    def decompress(self, value: Any) -> list[str]:
        return [] if value is None else list(value)


class SampleForm(forms.Form):
    """Every kind of field, with and without help."""

    name = forms.CharField(label="Display name")
    headline = forms.CharField(help_text="One line that says what you do.")
    bio = forms.CharField(label="About you", widget=forms.Textarea({"rows": 3}), help_text="Markdown is supported.")
    hourly_rate = forms.DecimalField(min_value=1)
    currency = forms.ChoiceField(choices=[("EUR", "EUR · Euro"), ("USD", "USD · US dollar")])
    language = forms.Field(label="Languages", widget=LanguageWidget, required=False)
    domains = forms.MultipleChoiceField(
        choices=[("web", "Web apps"), ("mobile", "Mobile apps"), ("data", "Data and dashboards")],
        widget=forms.CheckboxSelectMultiple,
    )
    listed = forms.BooleanField(label="Listed in the directory", help_text="Visitors can find your page.")


class ImageForm(forms.Form):
    image = forms.FileField(help_text="JPEG, PNG or WebP, at most 8 MB.")
    alt = forms.CharField(label="Description", help_text="For people who cannot see the image.")
    crop = forms.Field(widget=CropWidget, required=False)
