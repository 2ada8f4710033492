"""What people and programs may say of a user. One form serves the page and the JSON API."""

from typing import Any

from django import forms
from django.core.validators import RegexValidator, validate_email

from localclerk.ids import new_id
from localclerk.models import Trouble, User

ROLES = [("BUILDER", "Builder"), ("CLIENT", "Client"), ("ADMIN", "Admin")]
#: Rows for addresses on the page: those there are, and one more.
MOST_EMAILS = 10

check_phone = RegexValidator(r"^\+[1-9]\d{6,14}$", "Write the number with its country: +4915112345678.")


class EmailsField(forms.JSONField):
    """A list of {"address", "verified", "primary"}; at most one is primary."""

    def clean(self, value: Any) -> list[dict[str, Any]]:
        emails = super().clean(value) or []
        if not isinstance(emails, list) or len(emails) > MOST_EMAILS:
            raise forms.ValidationError(f"E-mail addresses are a list of at most {MOST_EMAILS}.")
        return [self._email(email) for email in emails]

    @staticmethod
    def _email(email: Any) -> dict[str, Any]:
        if not isinstance(email, dict) or not isinstance(email.get("address"), str):
            raise forms.ValidationError('Each e-mail address looks like {"address": …, "verified": …, "primary": …}.')
        address = email["address"].strip()
        validate_email(address)
        return {
            "address": address,
            "verified": email.get("verified", True) is True,
            "primary": email.get("primary") is True,
        }


class UserForm(forms.ModelForm):  # type: ignore[type-arg]  # not a generic class when it runs
    """Names, addresses, roles and standing of a user."""

    emails = EmailsField(required=False)
    phone = forms.CharField(required=False, max_length=20, validators=[check_phone])
    public_metadata = forms.JSONField(required=False)

    class Meta:
        model = User
        fields = ["first_name", "last_name", "username", "phone", "emails", "public_metadata", "banned", "locked"]

    def clean_public_metadata(self) -> dict[str, Any]:
        metadata = self.cleaned_data["public_metadata"] or {}
        if not isinstance(metadata, dict):
            raise forms.ValidationError("Public metadata is a JSON object.")
        return metadata

    def clean_emails(self) -> list[dict[str, Any]]:
        """Give each address its id; an address that stays keeps the one it has."""
        known = {email["address"]: email["id"] for email in self.instance.emails}
        emails: list[dict[str, Any]] = self.cleaned_data["emails"]
        for email in emails:
            email["id"] = known.get(email["address"]) or new_id("idn")
        primary = next((email["id"] for email in emails if email.pop("primary")), "")
        for email in emails:
            email.pop("primary", None)
        self.instance.primary_email_id = primary
        return emails


class TroubleForm(forms.ModelForm):  # type: ignore[type-arg]  # likewise
    """The trouble that deliveries are given."""

    delay_s = forms.IntegerField(
        label="Delay", min_value=0, max_value=3600, help_text="Seconds before the first attempt."
    )
    shuffle = forms.IntegerField(
        min_value=0,
        max_value=1000,
        help_text="Hold back so many events, then deliver them in random order. 0 holds nothing back.",
    )
    lose_percent = forms.IntegerField(
        label="Lose", min_value=0, max_value=100, help_text="Per cent of events that are never delivered."
    )

    class Meta:
        model = Trouble
        fields = ["delay_s", "duplicate", "shuffle", "lose_percent"]
