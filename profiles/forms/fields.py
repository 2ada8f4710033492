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
from profiles.localization import languages
from profiles.models import Availability
from profiles.slugs.text import MAX_LENGTH, fold_accents, slugify

LINK_ATTRS = {"dir": "ltr", "spellcheck": "false", "data-pattern": link_validation.PATTERN}


class HireWidget(forms.CheckboxInput):
    """The value of `available_for_hire` in a form that shows only the availability.

    Pages have one control, so every availability other than "unavailable" means available for hire. The API and the
    history pass both values.
    """

    is_hidden = True

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        if name in data:
            return super().value_from_datadict(data, files, name)
        return data.get("availability") != Availability.UNAVAILABLE


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

    #: Long lists do not fit on one line on phones.
    widget = forms.Textarea
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
        return {**super().widget_attrs(widget), "dir": "auto", "rows": 2, **rules}


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


class LanguagesWidget(forms.MultiWidget):
    """Select boxes for language and level, one row per spoken language and one empty row."""

    MIN_ROWS = 3

    def __init__(self) -> None:
        codes = [("", _("Choose a language")), *language_choices()]
        levels = [("", _("Level")), *languages.Level.choices]
        widgets = [
            forms.Select({"aria-label": label % {"number": number}}, choices=choices)
            for number in range(1, LanguagesField.max_items + 1)
            for choices, label in ((codes, _("Language %(number)d")), (levels, _("Level of language %(number)d")))
        ]
        super().__init__(widgets)

    def decompress(self, value: Any) -> list[str]:
        return [part for entry in value or () for part in languages.split(str(entry))]

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        parts = self.decompress(value)
        context: dict[str, Any] = super().get_context(name, parts, attrs)
        rows = max(self.MIN_ROWS, len(parts) // 2 + 1)
        context["widget"]["subwidgets"] = context["widget"]["subwidgets"][: 2 * rows]
        return context

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """Return the entries. The API already passes a list."""
        if name in data:
            return data[name]
        parts = [str(data.get(f"{name}_{index}") or "") for index in range(len(self.widgets))]
        rows = zip(parts[::2], parts[1::2], strict=True)
        return [":".join(filter(None, row)) for row in rows if row[0]]


class LanguagesField(forms.Field):
    """Spoken languages with optional levels."""

    max_items = 8
    default_error_messages = {
        "unknown": _("“%(entry)s” is not in the list of languages. Choose a language and a level from the lists."),
        "repeated": _("You chose %(language)s twice. Choose each language once."),
        "too_many_languages": _("Choose at most %(max_items)d languages."),
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"widget": LanguagesWidget} | kwargs)

    def to_python(self, value: Any) -> list[str]:
        """Return a list of entries, which can be empty."""
        return [str(entry) for entry in value] if isinstance(value, list | tuple) else []

    def validate(self, value: Sequence[str]) -> None:
        super().validate(value)
        for entry in value:
            if not languages.is_valid(entry):
                raise ValidationError(self.error_messages["unknown"], "unknown", {"entry": entry[:30]})
        codes = [languages.split(entry)[0] for entry in value]
        if repeated := next((code for code in codes if codes.count(code) > 1), ""):
            raise ValidationError(self.error_messages["repeated"], "repeated", {"language": languages.name(repeated)})
        if len(value) > self.max_items:
            raise ValidationError(self.error_messages["too_many_languages"], "too_many", {"max_items": self.max_items})


def language_choices() -> list[tuple[str, str]]:
    """Return language codes with English and native names, sorted by English name."""
    labels = {
        code: english if english == native else f"{english} · {native}"
        for code, (english, native) in languages.LANGUAGES.items()
    }
    return sorted(labels.items(), key=lambda pair: pair[1])
