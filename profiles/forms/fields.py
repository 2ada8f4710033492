"""Form fields for slugs, lists and links. Values are cleaned before they are validated."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from core.forms import LineField
from core.text import clean_line
from profiles.forms import link_validation
from profiles.slugs import MAX_LENGTH, fold_accents, slugify

LINK_ATTRS = {"dir": "ltr", "spellcheck": "false", "data-pattern": link_validation.PATTERN}


class PageSlugField(LineField):
    """A page slug in any script. Input is converted to a slug and must contain at least one letter or digit."""

    default_error_messages = {"required": _("Enter a URL with at least one letter or digit.")}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": MAX_LENGTH} | kwargs)

    def to_python(self, value: Any) -> str:
        """Convert the input to a slug. If the user pasted a full URL, use its last part."""
        last = super().to_python(value).rstrip("/").rpartition("/")[2]
        return slugify(unquote(last))


class ListField(forms.CharField):
    """Short entries separated by commas or line breaks, without duplicates (ignoring case and accents)."""

    #: A regular expression that works in both Python and JavaScript.
    separator = "[,;\\n、،]"
    default_error_messages = {
        "too_many": _("Enter at most %(max_items)d. You entered %(count)d."),
        "too_long": _("“%(entry)s…” has %(length)d characters. Use %(max_entry_length)d or fewer."),
    }

    def __init__(self, *, max_items: int, max_entry_length: int, **kwargs: Any) -> None:
        self.max_items, self.max_entry_length = max_items, max_entry_length
        super().__init__(**kwargs)

    def prepare_value(self, value: Any) -> Any:
        return self.join(value) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> Any:
        """Return the list of entries."""
        entries = {"": ""}
        for part in re.split(self.separator, str(value or "")):
            entry = clean_line(part)
            entries.setdefault(self.duplicate_key(entry), entry)
        return list(entries.values())[1:]

    def validate(self, value: Sequence[str]) -> None:
        super().validate(value)
        if len(value) > self.max_items:
            params: dict[str, Any] = {"max_items": self.max_items, "count": len(value)}
            raise ValidationError(self.error_messages["too_many"], "too_many", params)
        for entry in value:
            if len(entry) > self.max_entry_length:
                params = {"entry": entry[:30], "max_entry_length": self.max_entry_length, "length": len(entry)}
                raise ValidationError(self.error_messages["too_long"], "too_long", params)

    def run_validators(self, value: Any) -> None:
        """Skip CharField's validators, which expect a string."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(list(initial or []) != self.to_python(data))

    @staticmethod
    def duplicate_key(entry: str) -> str:
        """Return a key for detecting duplicates."""
        return fold_accents(entry)

    @staticmethod
    def join(entries: Sequence[str]) -> str:
        return ", ".join(entries)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        rules: dict[str, Any] = {
            "data-max-items": self.max_items,
            "data-max-length": self.max_entry_length,
            "data-separator": self.separator,
        }
        return {**super().widget_attrs(widget), "dir": "auto", **rules}


class LinkField(LineField):
    """An http or https URL. `https://` may be omitted.

    The widget is a text input, because HTML's URL input requires a scheme and accepts any scheme.
    """

    default_error_messages = link_validation.MESSAGES
    default_validators = [link_validation.validate_link]

    def to_python(self, value: Any) -> str:
        text = super().to_python(value)
        return text and link_validation.add_scheme(text)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {**super().widget_attrs(widget), **LINK_ATTRS, "inputmode": "url"}


class LinksField(ListField):
    """A list of http or https URLs, one per line. `https://` may be omitted."""

    widget = forms.Textarea
    separator = "\\s+"  # URLs can contain commas
    default_error_messages = link_validation.MESSAGES

    def to_python(self, value: Any) -> Any:
        """Return the list of URLs."""
        links = super().to_python(value)
        return list(dict.fromkeys(link_validation.add_scheme(link) for link in links))

    def validate(self, value: Sequence[str]) -> None:
        super().validate(value)
        for link in value:
            link_validation.validate_link(link)

    @staticmethod
    def duplicate_key(entry: str) -> str:
        """Return the URL unchanged, because paths are case-sensitive."""
        return entry

    @staticmethod
    def join(entries: Sequence[str]) -> str:
        return "\n".join(entries)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return super().widget_attrs(widget) | LINK_ATTRS | {"rows": 4}
