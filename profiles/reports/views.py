"""Report a builder page, or a message to the user's own page. Both forms work without JavaScript."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.generic.edit import FormView

from accounts.http import AuthenticatedRequest
from accounts.mixins import RoleRequiredMixin
from accounts.sessions.preserved_forms import PreservedFormMixin
from profiles.contact import blocking
from profiles.mixins import BuilderPageMixin
from profiles.models import BuilderProfile, ContactMessage
from profiles.permissions import Permission
from profiles.reports import services as reports
from profiles.reports.forms import MessageReportForm, ReportForm
from profiles.reports.services import ReportRejectedError


class ReportMixin[F: ReportForm](PreservedFormMixin[F]):
    """A form that stores a report. Subclasses return what is reported."""

    request: AuthenticatedRequest
    template_name = "profiles/report_form.html"

    def get_target(self) -> BuilderProfile | ContactMessage:
        raise NotImplementedError

    def form_valid(self, form: F) -> HttpResponse:
        reason, text = form.cleaned_data["reason"], form.cleaned_data["text"]
        try:
            reports.report(self.get_target(), self.request.user, reason=reason, text=text)
        except ReportRejectedError as error:
            form.add_error(None, str(error))
            return self.form_invalid(form)
        self.discard_preserved_form()
        messages.success(self.request, gettext("Thank you. We will review your report."))
        return redirect(self.get_success_url())


@method_decorator(never_cache, name="dispatch")
class ReportPageView(ReportMixin[ReportForm], BuilderPageMixin, FormView[ReportForm]):
    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]
    required: Permission = "report"
    form_class = ReportForm

    def get_target(self) -> BuilderProfile:
        return self.profile

    def get_success_url(self) -> str:
        return self.profile.get_absolute_url()

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(profile=self.profile, **context)


@method_decorator(never_cache, name="dispatch")
class ReportMessageView(ReportMixin[MessageReportForm], RoleRequiredMixin, FormView[MessageReportForm]):
    """Report a message, and by default block its sender. Other users' messages do not exist for the user."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]
    form_class = MessageReportForm
    success_url = reverse_lazy("profiles:received_messages")

    @cached_property
    def message(self) -> ContactMessage:
        received = ContactMessage.objects.select_related("builder", "sender")
        return get_object_or_404(received, pk=self.kwargs["pk"], builder__user=self.request.user)

    def get_target(self) -> ContactMessage:
        return self.message

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(message=self.message, **context)

    def form_valid(self, form: MessageReportForm) -> HttpResponse:
        response = super().form_valid(form)
        if form.is_valid() and form.cleaned_data["block"]:
            blocking.block(self.message.builder, self.message.sender)
        return response
