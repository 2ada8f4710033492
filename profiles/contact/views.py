"""The contact form of a builder, and the lists of sent and received messages."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.generic.base import TemplateView, View
from django.views.generic.edit import FormView

from accounts.http import AuthenticatedRequest
from accounts.mixins import RoleRequiredMixin
from accounts.sessions.preserved_forms import PreservedFormMixin
from profiles.contact import blocking, emails, message_lists
from profiles.contact import services as contact
from profiles.contact.forms import ContactForm
from profiles.contact.services import MessageRejectedError
from profiles.mixins import BuilderPageMixin
from profiles.models import ContactMessage
from profiles.permissions import Viewer


@method_decorator(never_cache, name="dispatch")
class ContactView(PreservedFormMixin[ContactForm], BuilderPageMixin, FormView[ContactForm]):
    """Send a message to a builder.

    The builder sees the sender's email address, but the sender does not see the builder's.
    """

    request: AuthenticatedRequest
    required = "contact"
    http_method_names = ["get", "head", "post"]
    form_class = ContactForm
    template_name = "profiles/contact_form.html"
    preserves_for_visitors = True

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Render the form, or redirect to the current slug."""
        return (
            super().get(request, *args, **kwargs)
            if kwargs["slug"] == self.profile.slug
            else self.redirect_to_current_slug()
        )

    def handle_forbidden(self, request: HttpRequest) -> HttpResponse:
        """Explain the contact button to owners who click it while viewing their page as a visitor."""
        if self.access.role == Viewer.OWNER and request.method in ("GET", "HEAD"):
            return render(request, "profiles/contact_own.html", {"profile": self.profile})
        return super().handle_forbidden(request)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        can_receive_replies = emails.can_receive_replies(self.request.user)
        return super().get_context_data(profile=self.profile, can_receive_replies=can_receive_replies, **context)

    def form_valid(self, form: ContactForm) -> HttpResponse:
        try:
            contact.send(self.profile, self.request.user, **form.cleaned_data)
        except MessageRejectedError as error:
            form.add_error(None, str(error))
            return self.form_invalid(form)
        self.discard_preserved_form()
        text = gettext("Your message to %(name)s was sent. Replies go to %(email)s.")
        messages.success(self.request, text % {"name": self.profile.name, "email": self.request.user.email})
        return redirect(self.profile)


@method_decorator(never_cache, name="dispatch")
class SentMessagesView(RoleRequiredMixin, TemplateView):
    """List the user's sent messages with their text."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head"]
    template_name = "profiles/sent_messages.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        after = self.request.GET.get("after", "")
        sent_messages, next_cursor = message_lists.sent_messages(self.request.user, after)
        return super().get_context_data(
            sent_messages=sent_messages, next_cursor=next_cursor, is_first_page=not after, **context
        )


@method_decorator(never_cache, name="dispatch")
class ReceivedMessagesView(RoleRequiredMixin, TemplateView):
    """List the messages to the user's builder page with their text."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head"]
    template_name = "profiles/received_messages.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        after = self.request.GET.get("after", "")
        received, next_cursor = message_lists.received_messages(self.request.user, after)
        return super().get_context_data(
            received_messages=received, next_cursor=next_cursor, is_first_page=not after, **context
        )


class BlockView(RoleRequiredMixin, View):
    """Block the sender of a received message, or unblock the sender if `on=0` is posted."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: AuthenticatedRequest, pk: int) -> HttpResponse:
        """Redirect users who return here after signing in again."""
        return redirect("profiles:received_messages")

    def post(self, request: AuthenticatedRequest, pk: int) -> HttpResponse:
        received = ContactMessage.objects.select_related("builder", "sender")
        message = get_object_or_404(received, pk=pk, builder__user=request.user)
        if request.POST.get("on") == "0":
            blocking.unblock(message.builder, message.sender)
            text = gettext("%(name)s can message you again.")
        else:
            blocking.block(message.builder, message.sender)
            text = gettext("%(name)s can no longer message you.")
        messages.success(request, text % {"name": message.sender.display_name})
        return redirect("profiles:received_messages")
