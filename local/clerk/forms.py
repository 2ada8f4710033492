"""What people and programs may say of a user. One form serves the page and the JSON API."""

import json
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, RegexValidator, validate_email

from local.clerk import deliveries
from local.clerk.ids import new_id
from local.clerk.models import Trouble, User

ROLES = [("BUILDER", "Builder"), ("CLIENT", "Client"), ("ADMIN", "Admin")]
#: Rows for addresses on the page: those there are, and one more.
MOST_EMAILS = 10
#: Clerk's own limit for each kind of metadata.
MOST_METADATA_BYTES = 8192
#: SQLite refuses JSON of more than a thousand levels.
MOST_LEVELS = 100

#: The most of what can be chosen of trouble, besides per cent.
MOST_OF = {"api_delay_ms": 60_000, "api_limit": 1_000_000, "api_user_limit": 1_000_000}

check_phone = RegexValidator(r"^\+[1-9]\d{6,14}$", "Write the number with its country: +4915112345678.")


class EmailsField(forms.JSONField):
    """A list of {"address", "verified", "primary"}; at most one is primary."""

    def clean(self, value: Any) -> list[dict[str, Any]]:
        emails = super().clean(value) or []
        if not isinstance(emails, list) or len(emails) > MOST_EMAILS:
            raise forms.ValidationError(f"E-mail addresses are a list of at most {MOST_EMAILS}.")
        cleaned = [self._email(email) for email in emails]
        if len({email["address"].casefold() for email in cleaned}) < len(cleaned):
            raise forms.ValidationError("Each e-mail address may be there once.")
        if sum(email["primary"] for email in cleaned) > 1:
            raise forms.ValidationError("Only one e-mail address is the primary one.")
        return cleaned

    @staticmethod
    def _email(email: Any) -> dict[str, Any]:
        if not isinstance(email, dict) or not isinstance(email.get("address"), str):
            raise forms.ValidationError('Each e-mail address looks like {"address": …, "verified": …, "primary": …}.')
        address, verified, primary = email["address"].strip(), email.get("verified", True), email.get("primary", False)
        validate_email(address)
        if not isinstance(verified, bool) or not isinstance(primary, bool):
            raise forms.ValidationError(f"verified and primary of {address} are true or false.")
        return {"address": address, "verified": verified, "primary": primary}


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
        if len(json.dumps(metadata).encode()) > MOST_METADATA_BYTES:
            raise forms.ValidationError("Public metadata is at most 8 KB.")
        if is_deeper(metadata, MOST_LEVELS):
            raise forms.ValidationError(f"Public metadata is at most {MOST_LEVELS} levels deep.")
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
    """The trouble that deliveries and requests of servers are given."""

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
        fields = [
            *("delay_s", "duplicate", "shuffle", "lose_percent"),
            *("api_outage", "api_delay_ms", "api_fail_percent", "api_lose_answer_percent", "api_garble_percent"),
            *("api_refuse_percent", "api_reject_metadata", "api_limit", "api_user_limit"),
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            most = 100 if name.endswith("_percent") else MOST_OF.get(name)
            if most and isinstance(field, forms.IntegerField):
                field.max_value = most
                field.validators.append(MaxValueValidator(most))
                field.widget.attrs["max"] = most

    def parts(self) -> list[tuple[str, list[forms.BoundField]]]:
        """Return the fields under headings, for the page."""
        of_api = [field for field in self if field.name.startswith("api_")]
        return [("Webhooks", [field for field in self if field not in of_api]), ("Backend API", of_api)]

    def save(self, commit: bool = True) -> Trouble:  # noqa: FBT001, FBT002  # Django's signature
        """Store the trouble, and let go of events that it no longer holds back."""
        trouble: Trouble = super().save(commit)
        deliveries.release_full(trouble)
        return trouble


def is_deeper(value: Any, levels: int) -> bool:
    """Return whether JSON has more than so many levels."""
    if isinstance(value, dict):
        value = list(value.values())
    return isinstance(value, list) and (levels == 0 or any(is_deeper(item, levels - 1) for item in value))
