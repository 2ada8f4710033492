"""Admin form for search synonyms."""

from typing import Any, override

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from profiles.directory import terms
from profiles.directory.synonyms import MAX_PHRASE_WORDS
from profiles.forms.fields import ListField
from profiles.models import Domain, SearchSynonym
from profiles.models.search import MAX_PHRASE_LENGTH, MAX_PHRASES, MAX_SYNONYMS


class _PhrasesField(ListField):
    """A list of short phrases. Each must contain a letter or digit, because searches ignore other characters."""

    @override
    def validate(self, value: Any) -> None:
        super().validate(value)
        for phrase in value:
            number = len(list(terms.query_prefixes(phrase)))
            if not number:
                raise ValidationError(_("“%s” contains no letter or digit. Remove it.") % phrase, "empty")


class _SearchesField(_PhrasesField):
    @override
    def validate(self, value: Any) -> None:
        super().validate(value)
        for phrase in value:
            if len(phrase.split()) > MAX_PHRASE_WORDS:
                message = _("“%(phrase)s” has more than %(limit)d words. Shorten it.")
                raise ValidationError(message % {"phrase": phrase, "limit": MAX_PHRASE_WORDS}, "too_many_words")


def _wide_input() -> forms.Textarea:
    return forms.Textarea(attrs={"rows": 3, "cols": 80})


class SynonymForm(forms.ModelForm[SearchSynonym]):
    searches = _SearchesField(
        label=gettext_lazy("Searches"),
        widget=_wide_input(),
        max_items=MAX_PHRASES,
        max_entry_length=MAX_PHRASE_LENGTH,
        help_text=gettext_lazy(
            "What clients type, separated by commas. A search for one of these also finds the others."
        ),
    )
    finds = _PhrasesField(
        label=gettext_lazy("Also finds"),
        widget=_wide_input(),
        required=False,
        max_items=MAX_PHRASES,
        max_entry_length=MAX_PHRASE_LENGTH,
        help_text=gettext_lazy("Skills and words on builders' pages, separated by commas."),
    )
    domains = forms.MultipleChoiceField(
        label=gettext_lazy("Domains"),
        required=False,
        choices=Domain,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("All builders with one of these domains are also found."),
    )

    class Meta:
        model = SearchSynonym
        fields = ("searches", "finds", "domains")

    @override
    def clean(self) -> None:
        super().clean()
        if self.instance.pk is None and SearchSynonym.objects.count() >= MAX_SYNONYMS:
            raise ValidationError(_("There are already %d synonyms. Delete one first.") % MAX_SYNONYMS, "too_many")
