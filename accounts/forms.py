"""Forms about people's roles."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import User

Role = User.Role


class RolesForm(forms.Form):
    """What a person is here: a builder, a client, or both."""

    builder = forms.BooleanField(
        label=_("I build apps"),
        required=False,
        help_text=_(
            "You get a page with your work, which clients find. It is public when you publish it. "
            "Giving this up takes it down."
        ),
    )
    client = forms.BooleanField(
        label=_("I look for builders"),
        required=False,
        help_text=_("You get a profile of your company, which only you and our team see."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": ""} | kwargs)

    @property
    def changes(self) -> dict[str, list[User.Role]]:
        """What the person wants to have and not to have, as `change_roles` takes it."""
        wanted = {Role.BUILDER: self.cleaned_data["builder"], Role.CLIENT: self.cleaned_data["client"]}
        return {
            "add": [role for role, is_wanted in wanted.items() if is_wanted],
            "remove": [role for role, is_wanted in wanted.items() if not is_wanted],
        }


class RoleChangesForm(forms.Form):
    """What an admin wants to give to people, or to take from them."""

    CHOICES = (("", _("leave as it is")), ("add", _("give")), ("remove", _("take")))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for role in Role:
            self.fields[role] = forms.ChoiceField(label=role.label, choices=self.CHOICES, required=False)

    def clean(self) -> dict[str, Any]:
        """Ask for a change, if none was chosen."""
        chosen: dict[str, Any] = super().clean() or {}
        if not self.errors and not any(chosen.values()):
            raise forms.ValidationError(_("Choose a role to give or to take."))
        return chosen

    @property
    def changes(self) -> dict[str, list[User.Role]]:
        """What was chosen, as `change_roles` takes it."""
        return {deed: [role for role in Role if self.cleaned_data.get(role) == deed] for deed in ("add", "remove")}
