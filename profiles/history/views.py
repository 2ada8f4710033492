"""Views for the history of builder page sections. Restored values are validated like any other edit."""

import copy
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext, gettext_lazy

from accounts.http import AuthenticatedRequest
from core.db.cursors import parse_id
from profiles import section_history
from profiles.editing import services as editing
from profiles.editing.sections import BUILDER_SECTIONS
from profiles.editing.versions import EditConflictError, version_of
from profiles.editing.views import SectionUpdateView
from profiles.forms.sections import ProfileForm
from profiles.history import restoring
from profiles.history.entries import build_history
from profiles.media import images
from profiles.mixins import BuilderPageMixin
from profiles.models import BuilderProfile, Project, ProjectImage, SectionVersion
from profiles.portfolio import gallery
from profiles.portfolio import services as portfolio
from profiles.portfolio.forms import AltForm, ProjectPageForm
from profiles.portfolio.gallery import NewImage
from profiles.portfolio.gallery_views import GalleryMixin
from profiles.portfolio.services import PROJECT_FIELDS
from profiles.portfolio.views import PortraitView, ProjectUpdateView

RESTORED = gettext_lazy("Restored.")


class HistoryView(BuilderPageMixin):
    """List the versions that can be restored, by section."""

    required = "edit"
    http_method_names = ["get", "head"]

    def get(self, request: AuthenticatedRequest, slug: str) -> HttpResponse:
        sections = build_history(self.profile, self.actor)
        context = {"profile": self.profile, "access": self.access, "sections": sections}
        return render(request, "profiles/history.html", context)


class RestoreView(BuilderPageMixin):
    """Restore a version, using the view for its kind of section."""

    required = "edit"
    http_method_names = ["get", "head", "post"]

    def get(self, request: AuthenticatedRequest, slug: str, pk: int) -> HttpResponse:
        """Redirect to the history. Users return here by GET after they sign in again."""
        return redirect("profiles:history", self.profile.slug)

    def get_profile(self, **url_kwargs: Any) -> BuilderProfile:
        url_kwargs.pop("pk")
        return super().get_profile(**url_kwargs)

    def post(self, request: AuthenticatedRequest, slug: str, pk: int) -> HttpResponseBase:
        version = section_history.versions_of(self.profile).filter(pk=pk).first()
        if version is None:
            raise Http404
        match version.section:
            case section_history.PORTRAIT:
                return RestorePortraitView.as_view(restored=version)(request, slug=slug)
            case section_history.PORTFOLIO:
                return RestoreProjectView.as_view(restored=version)(request, slug=slug, pk=version.project)
            case section_history.GALLERY:
                return RestoreImageView.as_view(restored=version)(request, slug=slug, pk=version.project)
            case section if section in BUILDER_SECTIONS:
                return RestoreSectionView.as_view(restored=version)(request, slug=slug, section=section)
        raise Http404


class RestoreMixin:
    """Restore the version `restored`, unless the section was changed after the button was rendered."""

    restored: SectionVersion = SectionVersion()

    def is_outdated(self, request: HttpRequest) -> bool:
        """Return whether a newer version exists than the posted one, or than `restored` if none is posted ("Undo")."""
        expected = parse_id(request.POST.get("newest", "")) or self.restored.pk
        return section_history.newest_id(self.restored) != expected


class RestoreSectionView(RestoreMixin, SectionUpdateView):
    is_page = True
    saved_message = RESTORED

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Save the old values. If they are invalid or the section has changed since, show them in the section form."""
        self.object = self.get_object()
        form_class = self.get_form_class()
        data = restoring.form_data(form_class(instance=self.get_object()), self.restored.values)
        form = form_class(data | {"version": version_of(self.profile, form_class.base_fields)}, instance=self.object)
        problems = restoring.problems(form, self.restored.values, self.section.also_restored)
        if problems:
            return self.form_invalid(form, problems=problems)
        if self.is_outdated(request):
            return self.form_in_conflict(form, self.profile)
        return self.form_valid(form)

    def get_form_action(self) -> str:
        return reverse("profiles:section_update", args=[self.profile.slug, self.section.key])

    def save(
        self, form: ProfileForm[BuilderProfile], *, version: str = "", confirms_availability: bool = False
    ) -> None:
        """Also restore the fields outside the form. Restoring does not confirm the availability."""
        values = self.restored.values
        extra = {name: _as_time(values[name]) for name in self.section.also_restored if name in values}
        self.profile = editing.save(self.profile, form.cleaned_data, actor=self.actor, version=version, extra=extra)


class RestorePortraitView(RestoreMixin, PortraitView):
    saved_message = RESTORED

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        image = images.reopen(self.restored.image.name)
        if self.is_outdated(request):
            return self.failed(gettext("Not restored. The portrait was changed in the meantime. Choose a version."))
        if self.restored.values.get("image") and image is None:
            return self.failed(gettext("Not restored. The image file is missing."))
        return self.save(image)

    def failed(self, message: str) -> HttpResponse:
        messages.error(self.request, message)
        return redirect("profiles:history", self.profile.slug)


class RestoreProjectView(RestoreMixin, ProjectUpdateView):
    saved_message = RESTORED

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Save the old values. If the project was deleted, create it again."""
        found = self.profile.projects.filter(pk=self.pk).first()
        self.object = self.project = found or Project(builder=self.profile)
        self.project.builder = self.profile
        values = self.restored.values
        form = self.restored_form()
        problems = restoring.problems(form, values, ("position",))
        if problems or not form.is_valid():
            return self.form_invalid(form, problems=problems)
        if found and self.is_outdated(request):
            return self.form_in_conflict(form, found)
        return self.change(form) if found else self.add(form)

    def restored_form(self) -> ProjectPageForm:
        """Return a form with the old values. It also restores the images of a deleted project."""
        data = restoring.form_data(ProjectPageForm(instance=copy.copy(self.project)), self.restored.values)
        data |= {"restored": "" if self.project.pk else self.restored.pk}
        data |= {"version": version_of(self.project, PROJECT_FIELDS)}
        return ProjectPageForm(data=data, instance=copy.copy(self.project))

    def change(self, form: ProjectPageForm) -> HttpResponse:
        version = form.cleaned_data["version"]
        try:
            changed = portfolio.change(self.project, form.text_values, version=version, actor=self.actor)
        except EditConflictError as conflict:
            return self.form_in_conflict(form, conflict.stored)
        return self.saved(changed)

    def add(self, form: ProjectPageForm) -> HttpResponse:
        position = parse_id(str(self.restored.values.get("position", ""))) or 0
        identity, copies = (self.pk, position), self.restored_images(form)
        try:
            added = portfolio.add(self.profile, form.text_values, images=copies, restored=identity, actor=self.actor)
        except ValidationError as error:
            form.add_error(None, error)
            return self.form_invalid(form)
        return self.saved(added)


class RestoreImageView(GalleryMixin):
    """Add a removed image again, or restore the alternative text of an image."""

    restored: SectionVersion = SectionVersion()

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.profile.projects.filter(pk=self.pk).exists():
            messages.error(request, gettext("Not restored. The project was deleted. Restore the project first."))
            return redirect("profiles:history", self.profile.slug)
        is_removal = not self.restored.changed_fields
        error = self.restore_image() if is_removal else self.restore_text()
        if not error:
            return self.back(str(RESTORED))
        messages.error(request, error)
        return redirect(self.gallery_url)

    def restore_image(self) -> str:
        """Add a copy of the removed image. Return an error message, or "" if that worked."""
        row = self.restored.images.first()
        file = images.reopen(row.image.name) if row else None
        if row is None or file is None:
            return gettext("Not restored. The image file is missing.")
        try:
            gallery.add(
                self.project,
                NewImage(file, row.alt),
                token=UUID(int=self.restored.pk),
                position=row.position,
                actor=self.actor,
            )
        except ValidationError as error:
            return " ".join(error.messages)
        return ""

    def restore_text(self) -> str:
        """Restore the alternative text. Return an error message, or "" if that worked."""
        form = AltForm({"alt": self.restored.values.get("alt")}, image=ProjectImage())
        pk = parse_id(str(self.restored.values.get("image", "")))
        row = self.project.images.filter(pk=pk).first() if pk else None
        if row is None or not form.is_valid():
            return gettext("Not restored. This image was removed in the meantime.")
        version = version_of(row, gallery.IMAGE_FIELDS)
        gallery.change(self.project, row.pk, form.cleaned_data["alt"], version=version, actor=self.actor)
        return ""


def _as_time(value: Any) -> Any:
    try:
        return parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        return None
