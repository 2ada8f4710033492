"""Form fields for what people type in lists and in lines. They clean first, and say in a sentence what is wrong."""

import re
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from profiles.forms import link_validation
from profiles.forms.text_cleaning import one_line, paragraphs
from profiles.slugs import MAX_LENGTH, fold

LINK_ATTRS = {"dir": "ltr", "spellcheck": "false", "data-shape": link_validation.SHAPE}
TOO_LONG = _("Shorten this to %(limit_value)d characters; it has %(show_value)d.")


class LineField(forms.CharField):
    """One line of text."""

    default_error_messages = {"max_length": TOO_LONG}

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
        """Return the cleaned text."""
        return paragraphs(str(value or ""))


class AddressField(LineField):
    """The last part of the address of a page, in any script. Whatever is typed becomes one, if a letter is in it."""

    default_error_messages = {"required": _("Give your page an address with at least one letter or digit.")}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": MAX_LENGTH} | kwargs)

    def to_python(self, value: Any) -> str:
        """Return the address; of a whole one that was pasted, what stands last."""
        last = super().to_python(value).rstrip("/").rpartition("/")[2]
        return slugify(fold(last), allow_unicode=True).strip("-_")


class ListField(forms.CharField):
    """Short entries, separated by commas or line breaks; doubles go, case and accents ignored.

    Args:
        most: how many there may be.
        longest: characters of each.
    """

    #: Between entries, for Python and for JavaScript.
    separator = "[,;\\n、،]"
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
        entries = {"": ""}
        for part in re.split(self.separator, str(value or "")):
            entry = one_line(part)
            entries.setdefault(self.likeness(entry), entry)
        return list(entries.values())[1:]

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
    def likeness(entry: str) -> str:
        """Return what two entries that are the same have in common."""
        return fold(entry)

    @staticmethod
    def join(entries: Sequence[str]) -> str:
        """Return the entries as they are typed."""
        return ", ".join(entries)

    def widget_attrs(self, widget: Any) -> dict[str, Any]:
        """Let the text choose its direction, and tell the browser the rules of lists, which HTML does not know."""
        rules = {"data-most": self.most, "data-longest": self.longest, "data-separator": self.separator}
        return {**super().widget_attrs(widget), "dir": "auto", **rules}


class LinkField(LineField):
    """The address of one page; `https://` may be left out, and no other scheme is taken.

    Not HTML's own kind of field for it, whose rule is another: it wants the scheme, and takes any.
    """

    default_error_messages = link_validation.MESSAGES
    default_validators = [link_validation.check]

    def to_python(self, value: Any) -> str:
        """Return the whole address, or ""."""
        typed = super().to_python(value)
        return typed and link_validation.whole(typed)

    def widget_attrs(self, widget: Any) -> dict[str, Any]:
        """Addresses run from left to right in every script."""
        return {**super().widget_attrs(widget), **LINK_ATTRS, "inputmode": "url"}


class LinksField(ListField):
    """Addresses of pages, one a line; `https://` may be left out, and no other scheme is taken."""

    widget = forms.Textarea
    separator = "\\s+"  # addresses can hold commas
    default_error_messages = link_validation.MESSAGES

    def to_python(self, value: Any) -> Any:
        """Return the addresses, a list."""
        typed = super().to_python(value)
        return list(dict.fromkeys(link_validation.whole(link) for link in typed))

    def validate(self, value: Sequence[str]) -> None:
        """Check each address, too."""
        super().validate(value)
        for link in value:
            link_validation.check(link)

    @staticmethod
    def likeness(entry: str) -> str:
        """Return the address itself: upper and lower case can lead to different pages."""
        return entry

    @staticmethod
    def join(entries: Sequence[str]) -> str:
        """Return one address a line."""
        return "\n".join(entries)

    def widget_attrs(self, widget: Any) -> dict[str, Any]:
        """Addresses run from left to right in every script."""
        return {**super().widget_attrs(widget), **LINK_ATTRS, "rows": 4}
