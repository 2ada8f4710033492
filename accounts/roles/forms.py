"""Forms for changing roles."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import User

Role = User.Role


class RolesForm(forms.Form):
    """A form for users to choose their own roles: builder, client, or both."""

    builder = forms.BooleanField(
        label=_("I build apps"),
        required=False,
        help_text=_(
            "Get a public page for your work. It goes live when you publish it. Removing this role hides your page."
        ),
    )
    client = forms.BooleanField(
        label=_("I’m looking for builders"),
        required=False,
        help_text=_("Get a company profile that only you and our team can see."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": ""} | kwargs)

    @property
    def changes(self) -> dict[str, list[User.Role]]:
        wanted = {Role.BUILDER: self.cleaned_data["builder"], Role.CLIENT: self.cleaned_data["client"]}
        return {
            "add": [role for role, is_wanted in wanted.items() if is_wanted],
            "remove": [role for role, is_wanted in wanted.items() if not is_wanted],
        }


class RoleChangesForm(forms.Form):
    """A form for admins to add and remove users' roles."""

    CHOICES = (("", _("No change")), ("add", _("Add")), ("remove", _("Remove")))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for role in Role:
            self.fields[role] = forms.ChoiceField(label=role.label, choices=self.CHOICES, required=False)

    def clean(self) -> dict[str, Any]:
        chosen: dict[str, Any] = super().clean() or {}
        if not self.errors and not any(chosen.values()):
            raise forms.ValidationError(_("Choose at least one role to add or remove."))
        return chosen

    @property
    def changes(self) -> dict[str, list[User.Role]]:
        return {
            action: [role for role in Role if self.cleaned_data.get(role) == action] for action in ("add", "remove")
        }
