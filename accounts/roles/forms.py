"""Forms for changing roles."""

from collections.abc import Collection
from typing import Any, TypedDict

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core.forms import LineField

Role = User.Role


class RoleChanges(TypedDict):
    """Arguments of `accounts.roles.services.change_roles`."""

    add: list[User.Role]
    remove: list[User.Role]


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
    def changes(self) -> RoleChanges:
        wanted = {Role.BUILDER: self.cleaned_data["builder"], Role.CLIENT: self.cleaned_data["client"]}
        return {
            "add": [role for role, is_wanted in wanted.items() if is_wanted],
            "remove": [role for role, is_wanted in wanted.items() if not is_wanted],
        }


class RoleChangesForm(forms.Form):
    """A form for admins to add and remove users' roles.

    Args:
        held: the roles of a single user, who is offered only changes that have an effect. Every change is accepted,
            because the roles may have changed since the form was shown. Without it, the form is for several users,
            and cannot give the role Admin.
    """

    CHOICES = (("", _("No change")), ("add", _("Add")), ("remove", _("Remove")))

    reason = LineField(
        max_length=500, label=_("Reason"), widget=forms.TextInput(attrs={"size": 40, "autocomplete": "off"})
    )

    def __init__(self, *args: Any, held: Collection[str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for role in Role:
            field = forms.ChoiceField(label=role.label, choices=self.CHOICES, required=False)
            if held is None and role == Role.ADMIN:
                field.choices = [choice for choice in self.CHOICES if choice[0] != "add"]
                field.help_text = _("Give this role on the user’s page.")
            elif held is not None:
                useless = "add" if role in held else "remove"
                field.widget.choices = [choice for choice in self.CHOICES if choice[0] != useless]
            self.fields[role] = field
        self.order_fields([*Role, "reason"])

    def clean(self) -> dict[str, Any]:
        chosen: dict[str, Any] = super().clean() or {}
        if not self.errors and not any(chosen.get(role) for role in Role):
            raise forms.ValidationError(_("Choose at least one role to add or remove."))
        return chosen

    @property
    def changes(self) -> RoleChanges:
        return {"add": self._roles("add"), "remove": self._roles("remove")}

    def _roles(self, action: str) -> list[User.Role]:
        return [role for role in Role if self.cleaned_data.get(role) == action]
