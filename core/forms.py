"""Form fields for user-entered text. The text is cleaned before it is validated."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from core.text import clean_line, clean_paragraphs

TOO_LONG = _("Use %(limit_value)d characters or fewer. You entered %(show_value)d.")


class LineField(forms.CharField):
    """A single line of text in any script and direction."""

    default_error_messages = {"max_length": TOO_LONG}

    def to_python(self, value: Any) -> str:
        return clean_line(super().to_python(value) or "")

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {**super().widget_attrs(widget), "dir": "auto"}


class ParagraphsField(LineField):
    """Multi-line text."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> str:
        return clean_paragraphs(str(value or ""))
