"""Onboarding pages at /welcome/.

They work without JavaScript and preserve forms that are submitted after the session expires.
"""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.utils.decorators import method_decorator
from django.utils.functional import Promise, cached_property
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.generic.base import View
from django.views.generic.edit import FormView, UpdateView

from accounts.http import AuthenticatedRequest
from accounts.mixins import RoleRequiredMixin
from accounts.models import User
from accounts.roles.permissions import RoleChangeError
from accounts.sessions.preserved_forms import PreservedFormMixin
from audit.log import Actor
from profiles.editing import services as editing
from profiles.forms.sections import ClientForm, ProfileForm
from profiles.localization import guessed_currency, languages
from profiles.models import BuilderProfile, ClientProfile, Profile, Project
from profiles.onboarding import services as onboarding
from profiles.onboarding.forms import BuilderQuestionsForm, FirstProjectForm, GoalForm
from profiles.onboarding.services import Goal
from profiles.pages.views import build_page_context
from profiles.permissions import access_for
from profiles.portfolio import services as portfolio
from profiles.portfolio.forms import PortraitForm


@method_decorator(never_cache, name="dispatch")
class OnboardingView(RoleRequiredMixin):
    """Base view for an onboarding step.

    While Clerk's webhook for the user is pending, the view shows a page that reloads automatically. `?skip=1` continues
    with the next step without saving.
    """

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]
    page: str

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        is_allowed = str(request.method).lower() in self.http_method_names
        if is_allowed and isinstance(request.user, User) and request.user.is_provisional:
            return render(request, "accounts/setting_up.html")
        if is_allowed and "skip" in request.GET and request.method != "POST" and request.user.is_authenticated:
            return self.redirect_to_next_page()
        return super().dispatch(request, *args, **kwargs)

    def redirect_to_next_page(self) -> HttpResponse:
        return HttpResponseRedirect(resolve_url(onboarding.next_page(self.request.user, self.page)), status=303)


class GoalView(OnboardingView, PreservedFormMixin[GoalForm], FormView[GoalForm]):
    """Choose to be a builder, a client, or both."""

    request: AuthenticatedRequest
    page = onboarding.GOAL
    form_class = GoalForm
    template_name = "profiles/welcome.html"

    def get_initial(self) -> dict[str, Any]:
        """Preselect a builder's roles. For others, use the goal in the link, because client is the default role."""
        roles = set(self.request.user.roles)
        if User.Role.BUILDER not in roles:
            goal = self.request.GET.get("goal", "")
            return {"goal": goal} if goal in Goal else {}
        return {"goal": Goal.BOTH if User.Role.CLIENT in roles else Goal.BUILDER}

    def form_valid(self, form: GoalForm) -> HttpResponse:
        try:
            onboarding.start(self.request.user, **form.cleaned_data, actor=Actor.from_request(self.request))
        except RoleChangeError as error:
            form.add_error(None, str(error))
            return self.form_invalid(form)
        self.discard_preserved_form()
        return self.redirect_to_next_page()


class ProfileStepView[P: Profile](OnboardingView):
    """Base view for profile steps. Users without the profile are redirected to the first step."""

    profile: P
    heading: str | Promise
    intro: str | Promise

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if isinstance(request.user, User) and not request.user.is_provisional:
            profile = self.find_profile(request.user)
            if profile is None:
                return redirect(onboarding.GOAL)
            self.profile = profile
        return super().dispatch(request, *args, **kwargs)

    def find_profile(self, user: User) -> P | None:
        """Return the profile to complete, or None."""
        raise NotImplementedError

    def step_context(self) -> dict[str, Any]:
        number, count = onboarding.progress(self.request.user, self.page)
        return {"number": number, "count": count, "profile": self.profile}


class QuestionsView[P: Profile](ProfileStepView[P], PreservedFormMixin[ProfileForm[P]], UpdateView[P, ProfileForm[P]]):
    request: AuthenticatedRequest
    context_object_name = "profile"

    def get_object(self, queryset: QuerySet[P] | None = None) -> P:
        return self.profile

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(**self.step_context(), **context)

    def form_valid(self, form: ProfileForm[P]) -> HttpResponse:
        actor = Actor.from_request(self.request)
        editing.save(self.profile, self.values(form), actor=actor.with_user(self.request.user))
        self.discard_preserved_form()
        return self.redirect_to_next_page()

    def values(self, form: ProfileForm[P]) -> dict[str, Any]:
        cleaned: dict[str, Any] = form.cleaned_data
        return cleaned


class BuilderQuestionsView(QuestionsView[BuilderProfile]):
    page = onboarding.BUILDER
    model = BuilderProfile
    form_class = BuilderQuestionsForm
    template_name = "profiles/welcome_builder.html"
    heading = _("About your work")
    intro = _("We use your answers to create your page. It is private until you publish it.")

    def find_profile(self, user: User) -> BuilderProfile | None:
        return onboarding.builder_of(user)

    def get_initial(self) -> dict[str, Any]:
        return self.guesses

    @cached_property
    def guesses(self) -> dict[str, Any]:
        """Language and currency guessed from the browser for a new page. The user is asked to check them."""
        header = self.request.headers.get("Accept-Language", "")
        if self.profile.headline or not header:
            return {}
        code = languages.from_header(header)
        guesses = {
            "currency": guessed_currency.from_header(header),
            "page_language": code,
            "languages": [code] if code else [],
        }
        return {name: value for name, value in guesses.items() if value and self._is_untouched(name)}

    def _is_untouched(self, name: str) -> bool:
        return bool(getattr(self.profile, name) == getattr(BuilderProfile(), name))

    def values(self, form: ProfileForm[BuilderProfile]) -> dict[str, Any]:
        """Also confirm the availability, because it is part of this form."""
        return super().values(form) | editing.confirmation(form.cleaned_data)


class PictureView(ProfileStepView[BuilderProfile], PreservedFormMixin[PortraitForm], FormView[PortraitForm]):
    """Add a picture. Optional if the account already has one, which is then shown."""

    request: AuthenticatedRequest
    page = onboarding.PICTURE
    form_class = PortraitForm
    template_name = "profiles/welcome_picture.html"
    heading = _("Your picture")
    intro = _("Clients want to see who they write to. Use a photo that shows your face.")

    def find_profile(self, user: User) -> BuilderProfile | None:
        return onboarding.builder_of(user)

    def get_form(self, form_class: type[PortraitForm] | None = None) -> PortraitForm:
        form = super().get_form(form_class)
        form.fields["image"].required = not self.profile.image_url
        return form

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(**self.step_context(), **context)

    def form_valid(self, form: PortraitForm) -> HttpResponse:
        if image := form.cleaned_data["image"]:
            portfolio.set_portrait(self.profile, image, actor=Actor.from_request(self.request))
        self.discard_preserved_form()
        return self.redirect_to_next_page()


class FirstProjectView(
    ProfileStepView[BuilderProfile], PreservedFormMixin[FirstProjectForm], UpdateView[Project, FirstProjectForm]
):
    """Add a first project."""

    request: AuthenticatedRequest
    page = onboarding.PROJECT
    form_class = FirstProjectForm
    template_name = "profiles/welcome_project.html"
    heading = _("A project")
    intro = _("Clients look at your work first. Start with one project, and add more on your page later.")

    def find_profile(self, user: User) -> BuilderProfile | None:
        return onboarding.builder_of(user)

    def get_object(self, queryset: QuerySet[Project] | None = None) -> Project:
        return Project(builder=self.profile)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(**self.step_context(), **context)

    def form_valid(self, form: FirstProjectForm) -> HttpResponse:
        token, actor = form.cleaned_data["form_token"], Actor.from_request(self.request)
        try:
            portfolio.add(self.profile, form.text_values, images=form.images, token=token, actor=actor)
        except ValidationError as error:
            form.add_error(None, error)
            return self.form_invalid(form)
        self.discard_preserved_form()
        return self.redirect_to_next_page()


class ClientQuestionsView(QuestionsView[ClientProfile]):
    page = onboarding.CLIENT
    model = ClientProfile
    form_class = ClientForm
    template_name = "profiles/welcome_questions.html"
    heading = _("What are you looking for?")
    intro = _("Only you and our team can see this. It helps us match you with the right builders.")

    def find_profile(self, user: User) -> ClientProfile | None:
        return onboarding.client_of(user)


class PreviewView(OnboardingView, View):
    """Preview the builder page as visitors will see it, with a publish button."""

    http_method_names = ["get", "head"]
    page = onboarding.PREVIEW

    def get(self, request: AuthenticatedRequest) -> HttpResponse:
        profile = onboarding.builder_of(request.user)
        if profile is None or not profile.slug:
            return redirect(onboarding.GOAL if profile is None else "accounts:account")
        number, count = onboarding.progress(request.user, self.page)
        visitor = access_for(AnonymousUser(), profile)
        context = {**build_page_context(profile, visitor, request), "number": number, "count": count}
        return render(request, "profiles/welcome_preview.html", context)
