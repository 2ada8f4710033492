"""The texts of the legal pages: the published versions, or a starting text until an admin publishes the first version."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path

from django.conf import settings
from django.utils.safestring import SafeString
from django.utils.translation import get_language, get_language_info

from accounts.models import LegalVersion
from accounts.models.legal import MAX_TEXT_LENGTH
from core import markdown

Document = LegalVersion.Document
FOLDER = Path(__file__).parent / "starting_texts"
#: The language of the starting texts.
STARTING_LANGUAGE = "en"
#: Text in square brackets that is not a link, such as [name of the company].
_PLACEHOLDER = re.compile(r"\[[^\]]+\](?!\()")


@dataclass(frozen=True, slots=True)
class LegalText:
    """A text in one language. A starting text has the number 0 and no time of publication."""

    document: Document
    number: int
    language: str
    text: str
    published_at: datetime | None = None

    @property
    def direction(self) -> str:
        return "rtl" if get_language_info(self.language)["bidi"] else "ltr"

    @property
    def html(self) -> SafeString:
        return render(self.text)


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    number: int
    published_at: datetime


def published_versions(document: Document) -> list[PublishedVersion]:
    """Return the document's versions without their texts, newest first."""
    rows = LegalVersion.objects.filter(document=document).order_by("-number")
    return [PublishedVersion(*row) for row in rows.values_list("number", "published_at")]


def load(document: Document, number: int) -> LegalText | None:
    """Return a version in the active language or in another one. Number 0 is the starting text."""
    if not number:
        return LegalText(document, 0, STARTING_LANGUAGE, starting_text(document))
    version = LegalVersion.objects.filter(document=document, number=number).first()
    if version is None:
        return None
    language = choose_language(version.texts)
    return LegalText(document, number, language, version.texts[language], version.published_at)


def choose_language(texts: Mapping[str, str]) -> str:
    """Return the active language if the text exists in it, otherwise the first of LANGUAGES in which the text exists."""
    languages = [get_language() or settings.LANGUAGE_CODE, *dict(settings.LANGUAGES)]
    return next((code for code in languages if code in texts), next(iter(texts)))


@cache
def starting_text(document: Document) -> str:
    return (FOLDER / f"{document}.md").read_text("utf-8")


def find_placeholder(text: str) -> str:
    """Return the first placeholder of the starting texts in `text`, or "" if all have been replaced."""
    unfilled = (match[0] for match in _PLACEHOLDER.finditer(text) if _normalize(match[0]) in _placeholders())
    return next(unfilled, "")


@cache
def _placeholders() -> frozenset[str]:
    return frozenset(_normalize(found) for each in Document for found in _PLACEHOLDER.findall(starting_text(each)))


def _normalize(placeholder: str) -> str:
    return " ".join(placeholder.split()).casefold()


def published() -> list[Document]:
    found = set(LegalVersion.objects.order_by().values_list("document", flat=True).distinct())
    return [document for document in Document if document in found]


def unpublished() -> list[Document]:
    """Return the documents that still show a starting text."""
    found = published()
    return [document for document in Document if document not in found]


@lru_cache(maxsize=16)
def render(text: str) -> SafeString:
    return markdown.render(text, max_length=MAX_TEXT_LENGTH, top_heading_level=2)
