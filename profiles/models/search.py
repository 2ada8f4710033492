from typing import override

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils.translation import gettext_lazy as _

from profiles.models.choices import Domain

#: Maximum number of rows used for searches, and of phrases per row.
MAX_SYNONYMS, MAX_PHRASES = 1000, 20
MAX_PHRASE_LENGTH = 40


class SearchSynonym(models.Model):
    """Search phrases, and the words and domains that these phrases also find."""

    searches = ArrayField(
        verbose_name=_("searches"),
        base_field=models.CharField(max_length=MAX_PHRASE_LENGTH),
        size=MAX_PHRASES,
        help_text=_("What clients type, separated by commas. A search for one of these also finds the others."),
    )
    finds = ArrayField(
        verbose_name=_("also finds"),
        base_field=models.CharField(max_length=MAX_PHRASE_LENGTH),
        size=MAX_PHRASES,
        default=list,
        blank=True,
        help_text=_("Skills and words on the pages of builders to find, separated by commas."),
    )
    domains = ArrayField(
        verbose_name=_("domains"),
        base_field=models.CharField(max_length=16, choices=Domain),
        default=list,
        blank=True,
        help_text=_("All builders with one of these domains are found."),
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("search synonym")
        verbose_name_plural = _("search synonyms")
        ordering = ["searches"]

    @override
    def __str__(self) -> str:
        return ", ".join(self.searches[:3])


class SearchWord(models.Model):
    """A word from listed builders' pages, used to correct misspelled searches. A periodic job updates the rows."""

    word = models.CharField(max_length=MAX_PHRASE_LENGTH, primary_key=True)
    builders = models.PositiveIntegerField(help_text="Number of builders with this word among those that were counted.")
    keys = ArrayField(
        models.CharField(max_length=16),
        help_text="The start of the word without one of its letters. See profiles.directory.spelling.",
    )

    class Meta:
        # profiles.directory.vocabulary.similar_words
        indexes = [GinIndex(fields=["keys"], name="profiles_search_word_keys")]

    @override
    def __str__(self) -> str:
        return self.word
