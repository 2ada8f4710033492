"""The form for a message to a builder."""

from django import forms
from django.utils.translation import gettext_lazy as _

from core.forms import LineField, ParagraphsField
from profiles.forms.sections import BrowserRulesMixin


class ContactForm(BrowserRulesMixin, forms.Form):
    subject = LineField(max_length=120, label=_("Subject"), error_messages={"required": _("Enter a subject.")})
    body = ParagraphsField(
        max_length=4000,
        label=_("Message"),
        help_text=_("What you need, when you need it and your budget, if you know them."),
        error_messages={"required": _("Enter a message.")},
    )
