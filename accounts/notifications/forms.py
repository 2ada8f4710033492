"""The form for a user's email preferences."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from accounts.models import NotificationPreferences
from accounts.notifications.kinds import optional_kinds
from accounts.notifications.preferences import language_of

LANGUAGE = "language"


class NotificationsForm(forms.Form):
    """One checkbox for each kind that users can turn off, and the language of all emails."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": ""} | kwargs)
        for kind in optional_kinds():
            self.fields[kind.key] = forms.BooleanField(label=kind.label, help_text=kind.help_text, required=False)
        self.fields[LANGUAGE] = forms.ChoiceField(label=_("Language of emails"), choices=settings.LANGUAGES)

    @staticmethod
    def initial_values(preferences: NotificationPreferences) -> dict[str, Any]:
        chosen = {kind.key: kind.key not in preferences.turned_off for kind in optional_kinds()}
        return {**chosen, LANGUAGE: language_of(preferences)}

    @property
    def turned_off(self) -> list[str]:
        return [kind.key for kind in optional_kinds() if not self.cleaned_data[kind.key]]
