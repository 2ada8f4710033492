"""A builder's picture and portfolio: each change in its place by htmx, or on a page of its own."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.views.generic.edit import FormView, UpdateView

from accounts.http import AuthenticatedRequest
from accounts.preserved_forms import PreservedFormMixin
from audit.log import Origin
from profiles.cursors import parse_id_cursor
from profiles.editing.conflicts import last_change
from profiles.mixins import BuilderPageMixin
from profiles.models import MAX_PROJECTS, BuilderProfile, Project
from profiles.portfolio import services as portfolio
from profiles.portfolio.forms import PortraitForm, ProjectPageForm

#: An order of more ids than any portfolio has is none.
MOST_IDS = 100


class PortfolioMixin(BuilderPageMixin):
    """What only those who may edit a profile do with it; `self.pk` is the project in the address, if there is one."""

    request: AuthenticatedRequest
    required = "edit"
    http_method_names = ["get", "head", "post"]
    profile: BuilderProfile
    pk: int

    def get_profile(self, **address: Any) -> Any:
        """Return the profile; the project is looked for once its owner is known."""
        self.pk = address.pop("pk", 0)
        return super().get_profile(**address)

    @cached_property
    def project(self) -> Project:
        """The project in the address."""
        found = self.profile.projects.filter(pk=self.pk).first()
        if found is None:
            raise Http404
        found.builder = self.profile
        return found

    def answer(self, template: str, said: str, anchor: str = "", **context: Any) -> HttpResponse:
        """Show what has changed: `template` to htmx, and the whole page with a word about it otherwise."""
        if self.request.htmx:
            context = {"profile": self.profile, "access": self.access, "said": said, **context}
            return render(self.request, template, context)
        messages.success(self.request, said)
        return redirect(f"{self.profile.get_absolute_url()}{anchor}")


class PortraitView(PreservedFormMixin, PortfolioMixin, FormView):  # type: ignore[type-arg]
    """The builder's picture."""

    request: AuthenticatedRequest
    form_class = PortraitForm

    def get_template_names(self) -> list[str]:
        """Return the form alone for htmx."""
        return [f"profiles/portrait_form.html{'#form' if self.request.htmx else ''}"]

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Add whose picture it is."""
        return super().get_context_data(profile=self.profile, access=self.access, **context)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Take the picture away, or read the form."""
        return self.save(None) if "remove" in request.POST else super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        """Keep the picture."""
        return self.save(form.cleaned_data["image"])

    def save(self, picture: Any) -> HttpResponse:
        """Replace the picture by another, or by none."""
        portfolio.set_portrait(self.profile, picture, **self.audit_context)
        self.discard_preserved_form()
        self.profile.refresh_from_db(fields=["image"])
        return self.answer("profiles/portrait_saved.html", gettext("Saved."))


class ProjectFormView(PreservedFormMixin, PortfolioMixin, UpdateView):  # type: ignore[type-arg]
    """A project as a form."""

    request: AuthenticatedRequest
    form_class = ProjectPageForm
    context_object_name = "project"

    def get_template_names(self) -> list[str]:
        """Return the form alone for htmx."""
        return [f"profiles/project_form.html{'#form' if self.request.htmx else ''}"]

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Add whose project it is."""
        return super().get_context_data(profile=self.profile, access=self.access, **context)

    def saved(self, project: Project, *, is_new: bool = False) -> HttpResponse:
        """Show the project as it is now."""
        self.discard_preserved_form()
        context = {"project": project, "is_new": is_new, "is_saved": True}
        return self.answer("profiles/_project_saved.html", gettext("Saved."), f"#project-{project.pk}", **context)


class ProjectCreateView(ProjectFormView):
    """A new project."""

    def get_object(self, queryset: Any = None) -> Project:
        """Return a project that is not stored yet."""
        return Project(builder=self.profile)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Say beforehand when there is no room for it."""
        is_full = self.request.method == "GET" and self.profile.projects.count() >= MAX_PROJECTS
        full = portfolio.FULL % {"most": MAX_PROJECTS} if is_full else ""
        return super().get_context_data(full=full, **context)

    def form_valid(self, form: Any) -> HttpResponse:
        """Add it, once however often the form is sent."""
        picture, token = form.cleaned_data["image"], form.cleaned_data["form_token"]
        try:
            added = portfolio.add(self.profile, form.written, picture=picture, token=token, **self.audit_context)
        except ValidationError as error:
            form.add_error(None, error)
            return self.form_invalid(form)
        return self.saved(added, is_new=True)


class ProjectUpdateView(ProjectFormView):
    """A project that is there, or was when the form was opened."""

    def get_object(self, queryset: Any = None) -> Project:
        """Return the project."""
        return self.project

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Turn the form into one for a new project if the project is gone, so that nothing typed is lost."""
        if self.profile.projects.filter(pk=self.pk).exists():
            return super().post(request, *args, **kwargs)
        self.object = self.project = Project(builder=self.profile)
        return self.form_invalid(self.get_form(), status=409, is_gone=True)

    def form_valid(self, form: Any) -> HttpResponse:
        """Save what has changed, unless somebody else was quicker."""
        typed = form.cleaned_data
        picture, without, version = typed["image"], typed.get("remove_image", False), typed["version"]
        pictures = {"picture": picture, "without_picture": without}
        try:
            changed = portfolio.change(self.project, form.written, **pictures, version=version, **self.audit_context)
        except portfolio.Conflict as conflict:
            return self.conflict(form, conflict.stored)
        return self.saved(changed)

    def conflict(self, form: Any, stored: Project | None) -> HttpResponse:
        """Show what was typed beside what is stored now; saving again then writes it over that."""
        if stored is None:
            return self.post(self.request)
        form.data = form.data.copy()
        form.data["version"] = portfolio.version_of(stored)
        change = last_change(self.profile, ["portfolio"], self.request.user, Origin.from_request(self.request))
        return self.form_invalid(form, status=409, stored=stored, change=change)


class ProjectDeleteView(PortfolioMixin):
    """The question whether to delete a project, and the deed."""

    def get(self, request: HttpRequest, **address: Any) -> HttpResponse:
        """Ask."""
        template = f"profiles/project_confirm_delete.html{'#form' if self.request.htmx else ''}"
        return render(request, template, {"profile": self.profile, "access": self.access, "project": self.project})

    def post(self, request: HttpRequest, **address: Any) -> HttpResponse:
        """Delete it; on the second of two clicks it is gone already, and that is no mistake."""
        gone = portfolio.remove(self.profile, self.pk, **self.audit_context)
        said = gettext("“%(title)s” is deleted.") % {"title": gone.title} if gone else gettext("It is deleted.")
        return self.answer("profiles/_project_deleted.html", said, "#section-portfolio", pk=self.pk)


class ProjectOrderView(PortfolioMixin):
    """The order of the projects: all their ids as `project`, or one id as `up` or `down`."""

    def get(self, request: HttpRequest, **address: Any) -> HttpResponse:
        """Return to the page, where the order is changed."""
        return redirect(self.profile)

    def post(self, request: HttpRequest, **address: Any) -> HttpResponse:
        """Arrange them. The page that asked by htmx shows the new order already, so there is nothing to answer."""
        up, down = (parse_id_cursor(request.POST.get(way, "")) for way in ("up", "down"))
        ids = [parse_id_cursor(text) or 0 for text in request.POST.getlist("project")[:MOST_IDS]]
        if moved := up or down:
            portfolio.move(self.profile, moved, -1 if up else 1, **self.audit_context)
        elif any(ids):
            portfolio.arrange(self.profile, ids, **self.audit_context)
        else:
            return HttpResponse(gettext("This order names no project."), "text/plain", 422)
        if self.request.htmx:
            return HttpResponse(status=204)
        return redirect(f"{self.profile.get_absolute_url()}?arrange=1#portfolio-order")
