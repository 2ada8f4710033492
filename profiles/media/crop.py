"""The part of an uploaded image to keep. Forms measure the crop in percent, so that the values do not depend on pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

#: Minimum part of the width and height that must remain, in percent.
MIN_KEPT = 5
SIDES = {"left": _("Left"), "top": _("Top"), "right": _("Right"), "bottom": _("Bottom")}
NOT_A_NUMBER = _("The crop must consist of numbers. Enter 0 to %(limit)d percent for each side.")
OUTSIDE = _(
    "The crop is outside the image. Enter 0 to %(limit)d percent for each side, and keep at least %(kept)d percent of "
    "the width and the height."
)


@dataclass(frozen=True, slots=True)
class Crop:
    """How much to remove from each side, in percent of the upright image's width or height."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def min_fraction(self) -> float:
        """The smaller part that remains of the width or height, between 0 and 1."""
        return 1 - max(self.left + self.right, self.top + self.bottom) / 100

    def box(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return the part to keep in pixels, at least one pixel wide and high."""
        left, top = round(width * self.left / 100), round(height * self.top / 100)
        right, bottom = width - round(width * self.right / 100), height - round(height * self.bottom / 100)
        return left, top, max(right, left + 1), max(bottom, top + 1)


class CropWidget(forms.MultiWidget):
    def __init__(self) -> None:
        limits = {"min": 0, "max": 100 - MIN_KEPT, "step": "any"}
        super().__init__({side: forms.NumberInput({**limits, "title": label}) for side, label in SIDES.items()})

    def decompress(self, value: Any) -> list[Any]:
        return [getattr(value, side, None) for side in SIDES]


class CropField(forms.MultiValueField):
    """Four numbers, cleaned to a `Crop`, or to None if nothing is removed."""

    widget = CropWidget

    def __init__(self) -> None:
        error_messages = {"invalid": NOT_A_NUMBER % {"limit": 100 - MIN_KEPT}}
        fields = [forms.FloatField(required=False, error_messages=error_messages) for _side in SIDES]
        super().__init__(fields, required=False, require_all_fields=False, label=_("Crop"))

    def compress(self, data_list: Sequence[float | None]) -> Crop | None:
        """Raise a ValidationError if the crop is outside the image or too small."""
        crop = Crop(*(value or 0 for value in data_list)) if any(data_list) else None
        if crop and not self._is_inside(crop):
            raise ValidationError(OUTSIDE, "outside", {"limit": 100 - MIN_KEPT, "kept": MIN_KEPT})
        return crop

    def _is_inside(self, crop: Crop) -> bool:
        sides = (crop.left, crop.top, crop.right, crop.bottom)
        return min(sides) >= 0 and crop.min_fraction * 100 >= MIN_KEPT - 1e-9
