"""Forms for the portrait and for portfolio projects."""

import uuid
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core.forms import LineField
from profiles.editing.versions import version_of
from profiles.forms.sections import ProjectForm
from profiles.media.images import PORTRAIT, PROJECT
from profiles.media.uploads import ImageUploadField
from profiles.portfolio.services import PROJECT_FIELDS

IMAGE_HELP: str | Promise = _("JPEG, PNG, WebP or GIF, up to 8 MB. We remove location and camera data.")


class TokenField(forms.UUIDField):
    """A hidden UUID that identifies one rendered form. Invalid tokens are ignored because users cannot correct them."""

    widget = forms.HiddenInput

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except forms.ValidationError:
            return None


class PortraitForm(forms.Form):
    image = ImageUploadField(spec=PORTRAIT, label=_("Portrait"), help_text=IMAGE_HELP)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"label_suffix": ""} | kwargs)


class ProjectPageForm(ProjectForm):
    """A project with its image.

    `form_token` ensures that submitting the form twice adds only one project. `version` is used to detect edit
    conflicts.
    """

    image = ImageUploadField(spec=PROJECT, required=False, label=_("Image"), help_text=IMAGE_HELP)
    remove_image = forms.BooleanField(required=False, label=_("Remove image"))
    version = LineField(
        required=False, widget=forms.HiddenInput
    )  # Accept any value, because an error on a hidden field would not be visible.
    #: ID of the section version whose image to restore.
    restored = LineField(required=False, widget=forms.HiddenInput)
    form_token = TokenField(required=False, initial=uuid.uuid4)
    field_order = ("title", "image", "remove_image", "image_alt", "description", "technologies", "status", "url")

    def __init__(self, **kwargs: Any) -> None:
        project = kwargs["instance"]
        initial = {"version": version_of(project, PROJECT_FIELDS), **(kwargs.pop("initial", None) or {})}
        super().__init__(**kwargs, initial=initial, auto_id=f"id_project_{project.pk or 'new'}_%s")
        self.fields["title"].widget.attrs["autofocus"] = True
        self.fields["description"].widget.attrs["rows"] = 4
        # Keep the chosen file when htmx replaces the form, because HTML cannot set a file input's value.
        self.fields["image"].widget.attrs["hx-preserve"] = "true"
        if not project.image:
            del self.fields["remove_image"]

    def clean(self) -> dict[str, Any]:
        """Require a description if there is an image."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        keeps_image = self.instance.image and not cleaned.get("remove_image")
        if (
            (self.files.get("image") or cleaned.get("restored") or keeps_image)
            and not cleaned.get("image_alt")
            and "image_alt" not in self.errors
        ):
            self.add_error("image_alt", _("Describe the image for people who cannot see it."))
        return cleaned

    @property
    def text_values(self) -> dict[str, Any]:
        """Return the project's cleaned fields without its image."""
        return {field: self.cleaned_data[field] for field in self._meta.fields or ()}
