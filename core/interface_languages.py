"""The languages of the interface."""

from django.conf import settings
from django.utils import translation


def interface_language(code: str) -> str:
    """Return a language code if the interface has that language, otherwise English."""
    return code if code in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE


def english() -> translation.override:
    """Activate English for text that is stored or sent to several people, because they may read different languages."""
    return translation.override(settings.LANGUAGE_CODE)
