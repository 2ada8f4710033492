"""Forms for the portrait, for portfolio projects and for the images of a project."""

import uuid
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core.forms import LineField
from profiles.editing.versions import version_of
from profiles.forms.sections import BrowserRulesMixin, ProjectForm
from profiles.media.crop import CropField
from profiles.media.images import PORTRAIT, PROJECT
from profiles.media.uploads import CroppedImageMixin, ImageUploadField
from profiles.models import ProjectImage
from profiles.portfolio.gallery import IMAGE_FIELDS, NewImage
from profiles.portfolio.services import PROJECT_FIELDS

MAX_ALT = 200
IMAGE_HELP: str | Promise = _("JPEG, PNG, WebP or GIF, up to 8 MB. We remove location and camera data.")
ALT_HELP = _("Describe the image for people who cannot see it.")
ALT_REQUIRED = _("Enter an image description.")


class TokenField(forms.UUIDField):
    """A hidden UUID that identifies one rendered form. Invalid tokens are ignored because users cannot correct them."""

    widget = forms.HiddenInput

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except forms.ValidationError:
            return None


class PortraitForm(CroppedImageMixin, forms.Form):
    crop = CropField()
    image = ImageUploadField(spec=PORTRAIT, label=_("Portrait"), help_text=IMAGE_HELP)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"label_suffix": ""} | kwargs)


class ProjectPageForm(ProjectForm):
    """A project without its images.

    `form_token` ensures that submitting the form twice adds only one project. `version` is used to detect edit
    conflicts.
    """

    version = LineField(
        required=False, widget=forms.HiddenInput
    )  # Accept any value, because an error on a hidden field would not be visible.
    #: ID of the section version whose images to restore.
    restored = LineField(required=False, widget=forms.HiddenInput)
    form_token = TokenField(required=False, initial=uuid.uuid4)

    def __init__(self, **kwargs: Any) -> None:
        project = kwargs["instance"]
        initial = {"version": version_of(project, PROJECT_FIELDS), **(kwargs.pop("initial", None) or {})}
        super().__init__(**kwargs, initial=initial, auto_id=f"id_project_{project.pk or 'new'}_%s")
        self.fields["title"].widget.attrs["autofocus"] = True
        self.fields["description"].widget.attrs["rows"] = 4

    @property
    def text_values(self) -> dict[str, Any]:
        """Return the project's cleaned fields without its images."""
        return {field: self.cleaned_data[field] for field in self._meta.fields or ()}


class NewProjectForm(CroppedImageMixin, ProjectPageForm):
    """A new project with its first image. Owners add more images on the gallery's page."""

    crop = CropField()
    image = ImageUploadField(spec=PROJECT, required=False, label=_("Image"), help_text=IMAGE_HELP)
    image_alt = LineField(max_length=MAX_ALT, required=False, label=_("Image description"), help_text=ALT_HELP)
    conditional_fields = ("image_alt",)
    field_order = ("title", "crop", "image", "image_alt", "description", "technologies", "status", "url")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Keep the chosen file when htmx replaces the form, because HTML cannot set a file input's value.
        self.fields["image"].widget.attrs["hx-preserve"] = "true"

    def clean(self) -> dict[str, Any]:
        """Require a description if there is an image."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.files.get("image") and not cleaned.get("image_alt") and "image_alt" not in self.errors:
            self.add_error("image_alt", ALT_REQUIRED)
        return cleaned

    @property
    def images(self) -> list[NewImage]:
        image = self.cleaned_data["image"]
        return [NewImage(image, self.cleaned_data["image_alt"])] if image else []


class GalleryImageForm(CroppedImageMixin, BrowserRulesMixin, forms.Form):
    """Another image of a project. `form_token` ensures that a repeated upload adds one image."""

    crop = CropField()
    image = ImageUploadField(spec=PROJECT, label=_("Image"), help_text=IMAGE_HELP)
    image_alt = LineField(
        max_length=MAX_ALT,
        label=_("Image description"),
        help_text=ALT_HELP,
        error_messages={"required": ALT_REQUIRED},
    )
    form_token = TokenField(required=False, initial=uuid.uuid4)

    @property
    def new_image(self) -> NewImage:
        return NewImage(self.cleaned_data["image"], self.cleaned_data["image_alt"])


class AltForm(BrowserRulesMixin, forms.Form):
    """The alternative text of an image in the gallery."""

    alt = LineField(max_length=MAX_ALT, label=_("Image description"), error_messages={"required": ALT_REQUIRED})
    version = LineField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, image: ProjectImage, **kwargs: Any) -> None:
        initial = {"alt": image.alt, "version": version_of(image, IMAGE_FIELDS)}
        super().__init__(*args, **kwargs | {"initial": initial, "auto_id": f"id_image_{image.pk}_%s"})
        for field in self.fields.values():
            field.widget.attrs["form"] = f"image-{image.pk}"
        self.image = image
