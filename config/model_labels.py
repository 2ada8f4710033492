"""Translate the labels that models contain without `gettext_lazy`, most of which Django derives from names.

The admin shows a label for every model, column and choice. `makemessages` adds them to the catalogues.
"""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db.models import Field, IntegerChoices, TextChoices
from django.utils.translation import gettext_lazy, gettext_noop

#: Strings of the admin that Django marks, but has not translated into every language yet.
NEW_IN_DJANGO = (gettext_noop("Run"), gettext_noop("Pagination %(name)s"), gettext_noop("- Select an option -"))
APPS = ("audit", "accounts", "profiles", "webhooks")
#: The English text of each label.
texts: dict[str, None] = {}


def translate() -> None:
    """Replace each label with a lazy translation. Call this before forms and admin pages copy the labels."""
    for owner, name in _labels():
        setattr(owner, name, _translated(getattr(owner, name)))
    for field in _fields():
        if isinstance(field.choices, list):  # Functions return the enumerations' labels, which are translated above.
            field.choices = [(value, _translated(label)) for value, label in field.choices]


def _translated(label: Any) -> Any:
    if not isinstance(label, str) or not label:  # The label is empty, or translated already.
        return label
    texts[label] = None
    return gettext_lazy(label)


def _labels() -> Iterator[tuple[Any, str]]:
    for config in map(apps.get_app_config, APPS):
        yield config, "verbose_name"
        for model in config.get_models():
            # Django adds an "s" to the name, which is wrong in other languages.
            model._meta.verbose_name_plural = str(model._meta.verbose_name_plural)
            yield from ((model._meta, "verbose_name"), (model._meta, "verbose_name_plural"))
    for field in _fields():
        yield from ((field, "verbose_name"), (field, "help_text"))
    for choices in (*TextChoices.__subclasses__(), *IntegerChoices.__subclasses__()):
        if choices.__module__.partition(".")[0] in APPS:
            yield from ((choice, "_label_") for choice in choices)


def _fields() -> Iterator[Field[Any, Any]]:
    for config in map(apps.get_app_config, APPS):
        for model in config.get_models():
            yield from (field for field in model._meta.get_fields() if isinstance(field, Field))
