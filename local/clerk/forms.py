"""Forms shared by the pages and the JSON API."""

import json
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, RegexValidator, validate_email

from local.clerk.events import deliveries
from local.clerk.ids import new_id
from local.clerk.models import FaultInjection, User

ROLES = [("BUILDER", "Builder"), ("CLIENT", "Client"), ("ADMIN", "Admin")]
MAX_EMAILS = 10
#: Clerk's limit for each kind of metadata.
MAX_METADATA_BYTES = 8192
#: SQLite rejects JSON with more than a thousand levels.
MAX_METADATA_DEPTH = 100

#: Maximum values of fault injection, except percentages.
MAX_VALUES = {"api_delay_ms": 60_000, "api_limit": 1_000_000, "api_user_limit": 1_000_000}

check_phone = RegexValidator(r"^\+[1-9]\d{6,14}$", "Enter the number with its country code, such as +4915112345678.")


class EmailsField(forms.JSONField):
    """A list of {"address", "verified", "primary"} objects. At most one of them is primary."""

    def clean(self, value: Any) -> list[dict[str, Any]]:
        emails = super().clean(value) or []
        if not isinstance(emails, list) or len(emails) > MAX_EMAILS:
            raise forms.ValidationError(f"Email addresses must be a list of at most {MAX_EMAILS}.")
        cleaned = [self._email(email) for email in emails]
        if len({email["address"].casefold() for email in cleaned}) < len(cleaned):
            raise forms.ValidationError("Email addresses must be different from each other.")
        if sum(email["primary"] for email in cleaned) > 1:
            raise forms.ValidationError("Only one email address can be primary.")
        return cleaned

    @staticmethod
    def _email(email: Any) -> dict[str, Any]:
        if not isinstance(email, dict) or not isinstance(email.get("address"), str):
            raise forms.ValidationError('Write each email address as {"address": …, "verified": …, "primary": …}.')
        address, verified, primary = email["address"].strip(), email.get("verified", True), email.get("primary", False)
        validate_email(address)
        if not isinstance(verified, bool) or not isinstance(primary, bool):
            raise forms.ValidationError(f"verified and primary of {address} must be true or false.")
        return {"address": address, "verified": verified, "primary": primary}


class UserForm(forms.ModelForm[User]):
    emails = EmailsField(required=False)
    phone = forms.CharField(required=False, max_length=20, validators=[check_phone])
    public_metadata = forms.JSONField(required=False)

    class Meta:
        model = User
        fields = ["first_name", "last_name", "username", "phone", "emails", "public_metadata", "banned", "locked"]

    def clean_public_metadata(self) -> dict[str, Any]:
        metadata = self.cleaned_data["public_metadata"] or {}
        if not isinstance(metadata, dict):
            raise forms.ValidationError("Public metadata must be a JSON object.")
        if len(json.dumps(metadata).encode()) > MAX_METADATA_BYTES:
            raise forms.ValidationError("Public metadata must not be larger than 8 KB.")
        if is_deeper_than(metadata, MAX_METADATA_DEPTH):
            raise forms.ValidationError(f"Public metadata must not be deeper than {MAX_METADATA_DEPTH} levels.")
        return metadata

    def clean_emails(self) -> list[dict[str, Any]]:
        """Assign an ID to each new address. Existing addresses keep their IDs."""
        existing = {email["address"]: email["id"] for email in self.instance.emails}
        emails: list[dict[str, Any]] = self.cleaned_data["emails"]
        for email in emails:
            email["id"] = existing.get(email["address"]) or new_id("idn")
        primary = next((email["id"] for email in emails if email.pop("primary")), "")
        for email in emails:
            email.pop("primary", None)
        self.instance.primary_email_id = primary
        return emails


class NameForm(forms.ModelForm[User]):
    class Meta:
        model = User
        fields = ["first_name", "last_name"]


class EmailForm(forms.Form):
    address = forms.EmailField(label="Email address", max_length=254)


class FaultInjectionForm(forms.ModelForm[FaultInjection]):
    delay_s = forms.IntegerField(
        label="Delay", min_value=0, max_value=3600, help_text="Seconds before the first attempt."
    )
    shuffle = forms.IntegerField(
        min_value=0,
        max_value=1000,
        help_text="Hold this many events, then deliver them in random order. 0 turns this off.",
    )
    lose_percent = forms.IntegerField(
        label="Lose", min_value=0, max_value=100, help_text="Percentage of events that are never delivered."
    )

    class Meta:
        model = FaultInjection
        fields = [
            *("delay_s", "duplicate", "shuffle", "lose_percent"),
            *("api_outage", "api_delay_ms", "api_fail_percent", "api_lose_answer_percent", "api_garble_percent"),
            *("api_refuse_percent", "api_reject_metadata", "api_limit", "api_user_limit"),
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            max_value = 100 if name.endswith("_percent") else MAX_VALUES.get(name)
            if max_value and isinstance(field, forms.IntegerField):
                field.max_value = max_value
                field.validators.append(MaxValueValidator(max_value))
                field.widget.attrs["max"] = max_value

    def sections(self) -> list[tuple[str, list[forms.BoundField]]]:
        api_fields = [field for field in self if field.name.startswith("api_")]
        return [("Webhooks", [field for field in self if field not in api_fields]), ("Backend API", api_fields)]

    def save(self, commit: bool = True) -> FaultInjection:  # noqa: FBT001, FBT002  # Django's signature
        faults: FaultInjection = super().save(commit)
        deliveries.release_if_full(faults)
        return faults


def is_deeper_than(value: Any, levels: int) -> bool:
    """Return whether a JSON value is nested deeper than `levels`."""
    if isinstance(value, dict):
        value = list(value.values())
    return isinstance(value, list) and (levels == 0 or any(is_deeper_than(item, levels - 1) for item in value))
