"""Form fields for what people type in lists and in lines. They clean first, and say in a sentence what is wrong."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils.translation import gettext_lazy as _

from accounts.clerk.text import UNWANTED
from profiles.slugs import fold

TOO_LONG = _("Shorten this to %(limit_value)d characters; it has %(show_value)d.")
#: Line breaks and tabs are all that a longer text may have of the control characters.
UNWANTED_IN_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]+")
_SEPARATORS = re.compile(r"[,;\n、،]")
_is_url = URLValidator(schemes=["https", "http"])


def one_line(value: str) -> str:
    """Return `value` without line breaks, control characters and marks that turn the direction of what follows."""
    return unicodedata.normalize("NFC", " ".join(UNWANTED.sub(" ", value).split()))


class LineField(forms.CharField):
    """One line of text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.error_messages |= {"max_length": TOO_LONG}

    def to_python(self, value: Any) -> str:
        """Return the cleaned line."""
        return one_line(super().to_python(value) or "")

    def widget_attrs(self, widget: Any) -> dict[str, Any]:
        """Let the text choose its direction."""
        return {**super().widget_attrs(widget), "dir": "auto"}


class ParagraphsField(LineField):
    """Text of several lines."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> str:
        """Return the text with plain line breaks, without control characters and trailing spaces."""
        text = str(value or "").replace("\r\n", "\n").replace("\r", "\n")
        lines = (line.rstrip() for line in UNWANTED_IN_TEXT.sub(" ", text).split("\n"))
        return unicodedata.normalize("NFC", "\n".join(lines)).strip()


class ListField(forms.CharField):
    """Short entries, separated by commas or line breaks; doubles go, case and accents ignored.

    Args:
        most: how many there may be.
        longest: characters of each.
    """

    default_error_messages = {
        "too_many": _("Keep the %(most)d most important; there are %(count)d."),
        "too_long": _("Shorten “%(entry)s…”: each may have %(longest)d characters, and this one has %(length)d."),
    }

    def __init__(self, *, most: int, longest: int, **kwargs: Any) -> None:
        self.most, self.longest = most, longest
        super().__init__(**kwargs)

    def prepare_value(self, value: Any) -> Any:
        """Show a list as people type it."""
        return self.join(value) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> Any:
        """Return the entries, a list."""
        entries = [one_line(entry) for entry in self.split(str(value or ""))]
        return list({fold(entry): entry for entry in reversed(entries) if entry}.values())[::-1]

    def validate(self, value: Sequence[str]) -> None:
        """Check how many there are, and how long each is."""
        super().validate(value)
        if len(value) > self.most:
            raise ValidationError(self.error_messages["too_many"], "too_many", {"most": self.most, "count": len(value)})
        for entry in value:
            if len(entry) > self.longest:
                params = {"entry": entry[:30], "longest": self.longest, "length": len(entry)}
                raise ValidationError(self.error_messages["too_long"], "too_long", params)

    def run_validators(self, value: Any) -> None:
        """Leave it at `validate`: validators of text do not fit a list."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether other entries were typed."""
        return bool(list(initial or []) != self.to_python(data))

    @staticmethod
    def split(text: str) -> list[str]:
        """Return the parts of what was typed."""
        return _SEPARATORS.split(text)

    @staticmethod
    def join(entries: Sequence[str]) -> str:
        """Return the entries as they are typed."""
        return ", ".join(entries)

    def widget_attrs(self, widget: Any) -> dict[str, Any]:
        """Let the text choose its direction."""
        return {**super().widget_attrs(widget), "dir": "auto"}


class LinksField(ListField):
    """Addresses of pages, one a line; `https://` may be left out, and no other scheme is taken."""

    widget = forms.Textarea
    default_error_messages = {
        "not_a_link": _("“%(entry)s” is not the address of a page. Begin it with https://, as your browser shows it."),
    }

    def to_python(self, value: Any) -> Any:
        """Return the addresses, a list."""
        return [link if ":" in link.split("/")[0] else f"https://{link}" for link in super().to_python(value)]

    def validate(self, value: Sequence[str]) -> None:
        """Check each address, too."""
        super().validate(value)
        for link in value:
            try:
                _is_url(link)
            except ValidationError:
                raise ValidationError(self.error_messages["not_a_link"], "not_a_link", {"entry": link[:60]}) from None

    @staticmethod
    def split(text: str) -> list[str]:
        """Return the lines: addresses can hold commas."""
        return text.split()

    @staticmethod
    def join(entries: Sequence[str]) -> str:
        """Return one address a line."""
        return "\n".join(entries)

    def widget_attrs(self, widget: Any) -> dict[str, Any]:
        """Addresses run from left to right in every script."""
        return {**super().widget_attrs(widget), "dir": "ltr", "rows": 4, "spellcheck": "false"}
