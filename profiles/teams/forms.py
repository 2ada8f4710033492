"""The form on which owners choose organizations."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import OrganizationMembership
from profiles.models import BuilderProfile


class OrganizationsForm(forms.Form):
    """A checkbox for each of the owner's organizations."""

    memberships = forms.MultipleChoiceField(
        label=_("Organizations on your page"), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, profile: BuilderProfile, **options: Any) -> None:
        super().__init__(*args, **options)
        self.offered = list(OrganizationMembership.objects.of(profile.user_id))
        field = self.fields["memberships"]
        assert isinstance(field, forms.MultipleChoiceField)  # noqa: S101  # declared above
        field.choices = [(str(each.pk), str(each.organization)) for each in self.offered]
        self.initial.setdefault("memberships", [str(each.pk) for each in self.offered if each.shown_at])

    @property
    def chosen(self) -> set[int]:
        return {int(pk) for pk in self.cleaned_data["memberships"]}
