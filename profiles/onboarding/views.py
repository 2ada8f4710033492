"""The pages of /welcome/. Ordinary forms, which need no JavaScript, and survive a session that ended."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.generic.base import View
from django.views.generic.edit import FormView, UpdateView

from accounts.http import AuthenticatedRequest
from accounts.mixins import RoleRequiredMixin
from accounts.models import User
from accounts.preserved_forms import PreservedFormMixin
from accounts.roles import RoleChangeError
from audit.log import Origin
from profiles.editing import services as editing
from profiles.forms.sections import ClientForm
from profiles.models import BuilderProfile, ClientProfile
from profiles.onboarding import services as onboarding
from profiles.onboarding.forms import BuilderQuestionsForm, GoalForm
from profiles.onboarding.services import Goal
from profiles.pages.views import build_page_context
from profiles.permissions import access_for


@method_decorator(never_cache, name="dispatch")
class OnboardingView(RoleRequiredMixin):
    """One page of the way. Whoever Clerk has not told of yet waits, on a page that moves on by itself."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]
    page: str

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        is_asked = str(request.method).lower() in self.http_method_names
        if is_asked and isinstance(request.user, User) and request.user.is_provisional:
            return render(request, "accounts/setting_up.html")
        return super().dispatch(request, *args, **kwargs)

    def onward(self) -> HttpResponse:
        """Go to the next page."""
        return HttpResponseRedirect(resolve_url(onboarding.following(self.request.user, self.page)), status=303)


class GoalView(OnboardingView, PreservedFormMixin, FormView):  # type: ignore[misc,type-arg]
    """Who are you: a builder, a client, or both?"""

    page = onboarding.GOAL
    form_class = GoalForm
    template_name = "profiles/welcome.html"

    def get_initial(self) -> dict[str, Any]:
        """Tick what the person is already, unless that is only what everybody begins with."""
        held = set(self.request.user.roles)
        if User.Role.BUILDER not in held:
            return {}
        return {"goal": Goal.BOTH if User.Role.CLIENT in held else Goal.BUILDER}

    def form_valid(self, form: Any) -> HttpResponse:
        """Give the roles, and go on to the questions."""
        try:
            onboarding.begin(self.request.user, **form.cleaned_data, origin=Origin.from_request(self.request))
        except RoleChangeError as error:
            form.add_error(None, str(error))
            return self.form_invalid(form)
        self.discard_preserved_form()
        return self.onward()


class QuestionsView(OnboardingView, PreservedFormMixin, UpdateView):  # type: ignore[misc,type-arg]
    """Three questions to somebody who has the profile they are about; others begin at the beginning."""

    context_object_name = "profile"
    heading: str | Promise
    lead: str | Promise

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.profile = self.find(request.user)
        if self.profile is None and isinstance(request.user, User) and not request.user.is_provisional:
            return redirect(onboarding.GOAL)
        return super().dispatch(request, *args, **kwargs)

    def find(self, user: User | AnonymousUser) -> Any:
        """Return the profile that the questions are about."""
        raise NotImplementedError

    def get_object(self, queryset: Any = None) -> Any:
        """Return the person's own profile."""
        return self.profile

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Say how far it is."""
        number, count = onboarding.place(self.request.user, self.page)
        return super().get_context_data(number=number, count=count, **context)

    def form_valid(self, form: Any) -> HttpResponse:
        """Save the answers, and go on."""
        origin = Origin.from_request(self.request)
        editing.save(self.profile, self.answers(form), actor=self.request.user, origin=origin)
        self.discard_preserved_form()
        return self.onward()

    def answers(self, form: Any) -> dict[str, Any]:
        """Return what is to be saved."""
        cleaned: dict[str, Any] = form.cleaned_data
        return cleaned


class BuilderQuestionsView(QuestionsView):
    """What do you do, what are you good at, when and for how much?"""

    page = onboarding.BUILDER
    model = BuilderProfile
    form_class = BuilderQuestionsForm
    template_name = "profiles/welcome_builder.html"
    heading = _("Three questions")
    lead = _("The answers make your page. Nobody sees it before you publish it.")

    def find(self, user: User | AnonymousUser) -> Any:
        return onboarding.builder_of(user) if isinstance(user, User) else None

    def answers(self, form: Any) -> dict[str, Any]:
        """Count availability as confirmed: it has just been asked for."""
        return super().answers(form) | {"availability_confirmed_at": timezone.now()}


class ClientQuestionsView(QuestionsView):
    """Who are you, and what do you look for?"""

    page = onboarding.CLIENT
    model = ClientProfile
    form_class = ClientForm
    template_name = "profiles/welcome_questions.html"
    heading = _("What do you look for?")
    lead = _("Only you and our team see this. It helps us to bring you together with the right builders.")

    def find(self, user: User | AnonymousUser) -> Any:
        return onboarding.client_of(user) if isinstance(user, User) else None


class PreviewView(OnboardingView, View):
    """The builder's page as visitors are going to see it, and the button that publishes it."""

    http_method_names = ["get", "head"]
    page = onboarding.PREVIEW

    def get(self, request: AuthenticatedRequest) -> HttpResponse:
        """Show the page, to whoever has one with an address."""
        profile = onboarding.builder_of(request.user)
        if profile is None or not profile.slug:
            return redirect(onboarding.GOAL if profile is None else "accounts:account")
        number, count = onboarding.place(request.user, self.page)
        visitor = access_for(AnonymousUser(), profile)
        context = {**build_page_context(profile, visitor, request), "number": number, "count": count}
        return render(request, "profiles/welcome_preview.html", context)
