"""Views for editing a builder's portrait and portfolio, either in place with htmx or on separate pages."""

from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise, cached_property
from django.utils.translation import gettext, gettext_lazy
from django.views.generic.edit import FormView, UpdateView

from accounts.http import AuthenticatedRequest
from accounts.sessions.preserved_forms import PreservedFormMixin
from core.db.cursors import parse_id
from profiles import section_history
from profiles.editing.conflicts import last_change
from profiles.editing.versions import EditConflictError, version_of
from profiles.media import images
from profiles.mixins import BuilderPageMixin
from profiles.models import MAX_IMAGES, MAX_PROJECTS, BuilderProfile, Project
from profiles.portfolio import services as portfolio
from profiles.portfolio.forms import NewProjectForm, PortraitForm, ProjectPageForm
from profiles.portfolio.gallery import ImageFile, NewImage
from profiles.portfolio.services import PROJECT_FIELDS

#: Maximum number of ids read from a posted order, which is more than a portfolio can contain.
MAX_IDS = 100


class PortfolioMixin(BuilderPageMixin):
    """Require the edit permission. `self.pk` is the project id from the URL, or 0."""

    request: AuthenticatedRequest
    required = "edit"
    http_method_names = ["get", "head", "post"]
    pk: int
    saved_message: str | Promise = gettext_lazy("Saved.")

    def get_profile(self, **url_kwargs: Any) -> BuilderProfile:
        self.pk = url_kwargs.pop("pk", 0)
        return super().get_profile(**url_kwargs)

    @cached_property
    def project(self) -> Project:
        found = self.profile.projects.filter(pk=self.pk).first()
        if found is None:
            raise Http404
        found.builder = self.profile
        return found

    def success_response(
        self, template: str, message: str, anchor: str = "", *, undo_id: int | None = None, **context: Any
    ) -> HttpResponse:
        """Render `template` for htmx. Otherwise redirect to the page and show `message` there.

        Args:
            undo_id: the ID of the section version that undoes the change.
        """
        if self.request.htmx:
            context = {"profile": self.profile, "access": self.access, "message": message, **context}
            return render(self.request, template, {**context, "undo_id": undo_id})
        undo_url = reverse("profiles:restore", args=[self.profile.slug, undo_id]) if undo_id else ""
        messages.success(self.request, message, extra_tags=undo_url)
        return redirect(f"{self.profile.get_absolute_url()}{anchor}")


@dataclass(frozen=True, slots=True)
class PostedOrder:
    """A posted order: all `ids`, or the ID `moved` by -1 or 1 if a button without JavaScript was pressed."""

    ids: list[int]
    moved: int | None
    by: int


def parse_order(request: HttpRequest, name: str) -> PostedOrder:
    up, down = (parse_id(request.POST.get(direction, "")) for direction in ("up", "down"))
    ids = [parse_id(text) or 0 for text in request.POST.getlist(name)[:MAX_IDS]]
    return PostedOrder(ids, up or down, -1 if up else 1)


class PortraitView(PreservedFormMixin[PortraitForm], PortfolioMixin, FormView[PortraitForm]):
    request: AuthenticatedRequest
    form_class = PortraitForm

    def get_template_names(self) -> list[str]:
        return [f"profiles/portrait_form.html{'#form' if self.request.htmx else ''}"]

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(profile=self.profile, access=self.access, **context)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.save(None) if "remove" in request.POST else super().post(request, *args, **kwargs)

    def form_valid(self, form: PortraitForm) -> HttpResponse:
        return self.save(form.cleaned_data["image"])

    def save(self, image: ImageFile) -> HttpResponse:
        undo_id = portfolio.set_portrait(self.profile, image, actor=self.actor)
        self.discard_preserved_form()
        self.profile.refresh_from_db(fields=["image"])
        return self.success_response("profiles/portrait_saved.html", str(self.saved_message), undo_id=undo_id)


class ProjectFormView(PreservedFormMixin[ProjectPageForm], PortfolioMixin, UpdateView[Project, ProjectPageForm]):
    request: AuthenticatedRequest
    form_class = ProjectPageForm
    context_object_name = "project"

    def get_template_names(self) -> list[str]:
        return [f"profiles/project_form.html{'#form' if self.request.htmx else ''}"]

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(profile=self.profile, access=self.access, **context)

    def saved(self, project: Project, *, is_new: bool = False) -> HttpResponse:
        self.discard_preserved_form()
        context = {"project": project, "is_new": is_new, "is_saved": True}
        anchor = f"#project-{project.pk}"
        return self.success_response(
            "profiles/_project_saved.html", str(self.saved_message), anchor, undo_id=project.undo_id, **context
        )

    def restored_images(self, form: ProjectPageForm) -> list[NewImage]:
        """Return copies of the images of the version being restored."""
        pk = parse_id(form.cleaned_data["restored"])
        rows = section_history.images_of(self.profile, pk) if pk else []
        copies = [(images.reopen(row.image.name), row.alt) for row in rows]
        return [NewImage(file, alt) for file, alt in copies if file]


class ProjectCreateView(ProjectFormView):
    form_class = NewProjectForm

    def get_object(self, queryset: QuerySet[Project] | None = None) -> Project:
        return Project(builder=self.profile)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """If the portfolio is full, show a message before the user fills in the form."""
        is_full = self.request.method == "GET" and self.profile.projects.count() >= MAX_PROJECTS
        limit_message = portfolio.FULL % {"limit": MAX_PROJECTS} if is_full else ""
        return super().get_context_data(limit_message=limit_message, **context)

    def form_valid(self, form: ProjectPageForm) -> HttpResponse:
        new_images = [*cast("NewProjectForm", form).images, *self.restored_images(form)][:MAX_IMAGES]
        token = form.cleaned_data["form_token"]
        try:
            added = portfolio.add(self.profile, form.text_values, images=new_images, token=token, actor=self.actor)
        except ValidationError as error:
            form.add_error(None, error)
            return self.form_invalid(form)
        return self.saved(added, is_new=True)


class ProjectUpdateView(ProjectFormView):
    """Edit an existing project, which may have been deleted after the form was opened."""

    def get_object(self, queryset: QuerySet[Project] | None = None) -> Project:
        return self.project

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """If the project was deleted, render the submitted form as a new project, so that the text is not lost."""
        if self.profile.projects.filter(pk=self.pk).exists():
            return super().post(request, *args, **kwargs)
        self.object = self.project = Project(builder=self.profile)
        return self.form_invalid(self.get_form(), status=409, is_deleted=True)

    def form_valid(self, form: ProjectPageForm) -> HttpResponse:
        version = form.cleaned_data["version"]
        try:
            changed = portfolio.change(self.project, form.text_values, version=version, actor=self.actor)
        except EditConflictError as conflict:
            return self.form_in_conflict(form, conflict.stored)
        return self.saved(changed)

    def form_in_conflict(self, form: ProjectPageForm, stored: Model | None) -> HttpResponse:
        """Show the stored values above the submitted form. Saving the form again overwrites them."""
        if stored is None:
            return self.post(self.request)
        data = self.request.POST.copy()
        data["version"] = version_of(stored, PROJECT_FIELDS)
        form.data = data
        change = last_change(self.profile, ["portfolio"], self.actor)
        return self.form_invalid(form, status=409, stored=stored, change=change)


class ProjectDeleteView(PortfolioMixin):
    def get(self, request: HttpRequest, **url_kwargs: Any) -> HttpResponse:
        template = f"profiles/project_confirm_delete.html{'#form' if self.request.htmx else ''}"
        return render(request, template, {"profile": self.profile, "access": self.access, "project": self.project})

    def post(self, request: HttpRequest, **url_kwargs: Any) -> HttpResponse:
        """Delete the project. A second click finds it deleted, which is not an error."""
        deleted = portfolio.remove(self.profile, self.pk, actor=self.actor)
        title = {"title": deleted.title} if deleted else {}
        message = gettext("“%(title)s” deleted.") % title if title else gettext("Project deleted.")
        undo_id = deleted.undo_id if deleted else None
        anchor = "#section-portfolio"
        return self.success_response("profiles/_project_deleted.html", message, anchor, undo_id=undo_id, pk=self.pk)


class ProjectOrderView(PortfolioMixin):
    """Reorder projects. The request contains all project ids as `project`, or one id as `up` or `down`."""

    def get(self, request: HttpRequest, **url_kwargs: Any) -> HttpResponse:
        return redirect(self.profile)

    def post(self, request: HttpRequest, **url_kwargs: Any) -> HttpResponse:
        """Save the order. The htmx response is empty, because the page already shows the new order."""
        order = parse_order(request, "project")
        if order.moved:
            portfolio.move(self.profile, order.moved, order.by, actor=self.actor)
        elif any(order.ids):
            portfolio.reorder(self.profile, order.ids, actor=self.actor)
        else:
            return HttpResponse(gettext("The order contains no projects."), "text/plain", 422)
        if self.request.htmx:
            return HttpResponse(status=204)
        return redirect(f"{self.profile.get_absolute_url()}?arrange=1#portfolio-order")
