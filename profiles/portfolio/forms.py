"""Forms with pictures: the portrait, and a project of the portfolio."""

import uuid
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from profiles.forms.fields import LineField
from profiles.forms.sections import ProjectForm
from profiles.media.images import PORTRAIT, PROJECT
from profiles.media.uploads import ImageUploadField
from profiles.portfolio.services import version_of

PICTURE_HELP: str | Promise = _(
    "JPEG, PNG, WebP or GIF, up to 8 MB. Nothing but what it shows is kept: no place, no camera."
)


class TokenField(forms.UUIDField):
    """What tells one form from another. Nobody types it, so nobody is told that it is wrong: it then counts for nothing."""

    widget = forms.HiddenInput

    def to_python(self, value: Any) -> Any:
        """Return the token, if it is one."""
        try:
            return super().to_python(value)
        except forms.ValidationError:
            return None


class PortraitForm(forms.Form):
    """A picture of the builder."""

    image = ImageUploadField(shape=PORTRAIT, label=_("Picture"), help_text=PICTURE_HELP)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"label_suffix": ""} | kwargs)


class ProjectPageForm(ProjectForm):
    """A project with its picture.

    `form_token` lets a form that is sent twice add one project, and `version` tells whether somebody else has changed the
    project since.
    """

    image = ImageUploadField(shape=PROJECT, required=False, label=_("Picture"), help_text=PICTURE_HELP)
    remove_image = forms.BooleanField(required=False, label=_("Remove the picture"))
    version = LineField(required=False, widget=forms.HiddenInput)  # never refused: nobody would see why
    form_token = TokenField(required=False, initial=uuid.uuid4)
    field_order = ("title", "image", "remove_image", "image_alt", "description", "technologies", "status", "url")

    def __init__(self, **kwargs: Any) -> None:
        project = kwargs["instance"]
        initial = {"version": version_of(project), **(kwargs.pop("initial", None) or {})}
        super().__init__(**kwargs, initial=initial, auto_id=f"id_project_{project.pk or 'new'}_%s")
        self.fields["title"].widget.attrs["autofocus"] = True
        self.fields["description"].widget.attrs["rows"] = 4
        # htmx puts the chosen file back where a form comes again, which HTML cannot do.
        self.fields["image"].widget.attrs["hx-preserve"] = "true"
        if not project.image:
            del self.fields["remove_image"]

    def clean(self) -> dict[str, Any]:
        """Ask for words beside a picture."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        keeps = self.instance.image and not cleaned.get("remove_image")
        if (self.files.get("image") or keeps) and not cleaned.get("image_alt") and "image_alt" not in self.errors:
            self.add_error("image_alt", _("Say what the picture shows, for people who cannot see it."))
        return cleaned

    @property
    def written(self) -> dict[str, Any]:
        """What was written of the project, but for its picture."""
        return {field: self.cleaned_data[field] for field in self._meta.fields or ()}
