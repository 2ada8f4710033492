"""Views for editing the images of a project. Every page works without JavaScript."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.views.generic.edit import FormView

from accounts.http import AuthenticatedRequest
from accounts.sessions.preserved_forms import PARAMETER, PreservedFormMixin
from profiles.editing.versions import EditConflictError, version_of
from profiles.models import MAX_IMAGES, BuilderProfile, ProjectImage
from profiles.portfolio import gallery
from profiles.portfolio.forms import AltForm, GalleryImageForm
from profiles.portfolio.views import PortfolioMixin, parse_order


class GalleryMixin(PortfolioMixin):
    """Require the edit permission and an existing project. `self.image_pk` is the image id from the URL, or 0."""

    request: AuthenticatedRequest
    image_pk: int

    def get_profile(self, **url_kwargs: Any) -> BuilderProfile:
        self.image_pk = url_kwargs.pop("image_pk", 0)
        return super().get_profile(**url_kwargs)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Return 404 if the project was deleted in another tab during the request."""
        try:
            return super().dispatch(request, *args, **kwargs)
        except EditConflictError:
            raise Http404 from None

    @cached_property
    def gallery_url(self) -> str:
        return reverse("profiles:gallery", args=[self.profile.slug, self.pk])

    def gallery_context(self, **context: Any) -> dict[str, Any]:
        rows = list(self.project.images.all())
        changed: AltForm | None = context.pop("alt_form", None)
        return {
            "profile": self.profile,
            "project": self.project,
            "alt_forms": [changed if changed and changed.image == row else AltForm(image=row) for row in rows],
            "limit": MAX_IMAGES,
            "is_full": len(rows) >= MAX_IMAGES,
            "free": MAX_IMAGES - len(rows),
            **context,
        }

    def back(self, message: str, undo_id: int | None = None) -> HttpResponse:
        """Redirect to the gallery and show `message` there."""
        undo_url = reverse("profiles:restore", args=[self.profile.slug, undo_id]) if undo_id else ""
        messages.success(self.request, message, extra_tags=undo_url)
        return redirect(self.gallery_url)


class GalleryView(PreservedFormMixin[GalleryImageForm], GalleryMixin, FormView[GalleryImageForm]):
    """List the images of a project, and upload one image. The page's script sends one request per image."""

    request: AuthenticatedRequest
    form_class = GalleryImageForm

    def get_template_names(self) -> list[str]:
        return [f"profiles/gallery.html{'#upload' if self.request.htmx else ''}"]

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        context = super().get_context_data(**context)
        return self.gallery_context(upload_form=context["form"], **context)

    def form_valid(self, form: GalleryImageForm) -> HttpResponse:
        token = form.cleaned_data["form_token"]
        try:
            gallery.add(self.project, form.new_image, token=token, actor=self.actor)
        except ValidationError as error:
            form.add_error(None, error)
            return self.form_invalid(form)
        self.discard_preserved_form()
        if self.request.htmx:
            return render(self.request, "profiles/_uploaded.html", {"alt": form.cleaned_data["image_alt"]})
        return self.back(gettext("Image added."))


class ImageUpdateView(PreservedFormMixin[AltForm], GalleryMixin, FormView[AltForm]):
    """Change the alternative text of an image, or remove the image."""

    request: AuthenticatedRequest
    form_class = AltForm
    template_name = "profiles/gallery.html"
    image: ProjectImage

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the preserved text of an expired session. Otherwise, redirect to the gallery."""
        found = self.find_image() if PARAMETER in request.GET else False
        return super().get(request, *args, **kwargs) if found else redirect(self.gallery_url)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if "remove" in request.POST:
            return self.back(gettext("Image removed."), gallery.remove(self.project, self.image_pk, actor=self.actor))
        if self.find_image():
            return super().post(request, *args, **kwargs)
        messages.error(request, gettext("Not saved. This image was removed in the meantime."))
        return redirect(self.gallery_url)

    def find_image(self) -> bool:
        found = self.project.images.filter(pk=self.image_pk).first()
        self.image = found or ProjectImage()
        return found is not None

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"image": self.image}

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        context = super().get_context_data(**context)
        context |= {"alt_form": context["form"], "upload_form": GalleryImageForm(), "is_preserved": False}
        return self.gallery_context(**context)

    def form_valid(self, form: AltForm) -> HttpResponse:
        alt, version = form.cleaned_data["alt"], form.cleaned_data["version"]
        try:
            undo_id = gallery.change(self.project, self.image.pk, alt, version=version, actor=self.actor)
        except EditConflictError:
            return self.form_in_conflict(form)
        self.discard_preserved_form()
        return self.back(gettext("Saved."), undo_id)

    def form_in_conflict(self, form: AltForm) -> HttpResponse:
        """Show the stored text beside the submitted text. Saving the form again replaces it."""
        form.data = self.request.POST.copy()
        form.data["version"] = version_of(self.image, gallery.IMAGE_FIELDS)
        current = gettext("Not saved. The description was changed in the meantime to: %(alt)s. Save to replace it.")
        form.add_error("alt", current % {"alt": self.image.alt})
        return self.form_invalid(form, status=409)


class ImageOrderView(GalleryMixin):
    """Reorder images. The request contains all image ids as `row`, or one id as `up` or `down`."""

    def get(self, request: HttpRequest, **url_kwargs: Any) -> HttpResponse:
        return redirect(self.gallery_url)

    def post(self, request: HttpRequest, **url_kwargs: Any) -> HttpResponse:
        order = parse_order(request, "row")
        if order.moved:
            gallery.move(self.project, order.moved, order.by, actor=self.actor)
        elif any(order.ids):
            gallery.reorder(self.project, order.ids, actor=self.actor)
        else:
            return HttpResponse(gettext("The order contains no images."), "text/plain", 422)
        return HttpResponse(status=204) if self.request.htmx else redirect(self.gallery_url)
