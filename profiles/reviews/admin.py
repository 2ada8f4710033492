"""The queue of review requests."""

from typing import Any, override

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.admin.access import may_repair
from accounts.models import User
from audit.log import Actor
from core.admin.post_only import post_only
from core.admin.read_only import ReadOnlyAdmin
from core.admin.state_cells import state_cell
from core.db.cursors import parse_id
from profiles.models import ReviewFile, ReviewRequest
from profiles.reviews import services as reviews
from profiles.reviews.downloads import download
from profiles.reviews.forms import DecisionForm
from profiles.reviews.services import AlreadyAssignedError, AlreadyClosedError, Decision

State = ReviewRequest.State
#: Maximum number of other requests shown on a request's page.
MAX_OTHERS = 20
#: Colour of each state in the list.
LEVELS = {State.OPEN: "attention", State.GRANTED: "good", State.DECLINED: "neutral", State.WITHDRAWN: "neutral"}


class AssignmentFilter(admin.SimpleListFilter):
    title, parameter_name = _("assignment"), "assigned"

    @override
    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return [("me", _("Assigned to me")), ("others", _("Assigned to others")), ("no", _("Not assigned"))]

    @override
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        is_admin = Q(assigned_to__is_superuser=True) | Q(assigned_to__roles__contains=[User.Role.ADMIN])
        is_assigned = Q(assigned_to__isnull=False, assigned_to__is_active=True) & is_admin
        is_mine = Q(assigned_to=request.user.pk)
        chosen = {"me": is_mine, "others": is_assigned & ~is_mine, "no": ~is_assigned}
        return queryset.filter(chosen.get(str(self.value()), Q()))


class ReviewRequestAdmin(ReadOnlyAdmin[ReviewRequest]):
    change_form_template = "admin/profiles/reviewrequest/change_form.html"
    list_display = ("requested_at", "waiting", "builder", "requested", "assigned", "status")
    list_display_links = ("requested_at",)
    list_filter = ("state", AssignmentFilter)
    help_if_empty = _(
        "Requests appear here when builders ask for a tier or badge under “Ask for a review” on their page. The first one "
        "in the list is the oldest."
    )
    list_select_related = ("builder__user", "assigned_to")
    search_fields = ("=builder__slug", "=builder__user__clerk_id")
    ordering = ("requested_at",)
    fields = ("builder", "requested", "requested_at", "assigned", "state", "reason", "decided_by", "closed_at")

    @admin.display(description=_("tier or badge"))
    def requested(self, review: ReviewRequest) -> str:
        return review.subject

    @admin.display(description=_("waiting"), ordering="requested_at")
    def waiting(self, review: ReviewRequest) -> str:
        """Return the age of an open request."""
        return timesince(review.requested_at, depth=1) if review.state == State.OPEN else "–"

    @admin.display(description=_("assigned to"))
    def assigned(self, review: ReviewRequest) -> SafeString:
        return format_html("{}", review.assignee or "–")

    @admin.display(description=_("state"), ordering="state")
    def status(self, review: ReviewRequest) -> SafeString:
        state = State(review.state)
        return state_cell(LEVELS[state], state.label)

    def get_urls(self) -> list[URLPattern]:
        def view(function: Any) -> Any:
            return self.admin_site.admin_view(function)

        return [
            path("<path:object_id>/decide/", view(self.decide), name="profiles_reviewrequest_decide"),
            path("<path:object_id>/assign/", view(post_only(self.assign)), name="profiles_reviewrequest_assign"),
            path(
                "<path:object_id>/files/<int:file_id>/",
                view(post_only(self.open_file, back="../../change/")),
                name="profiles_reviewrequest_file",
            ),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        review = self.get_object(request, object_id)
        context = _page_context(review) if review else {}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def decide(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the evidence with the form for the decision. An invalid form is shown again with its input."""
        review = self._get_review(request, object_id)
        if review.state != State.OPEN:
            messages.error(request, reviews.explain_closed(review))
            return redirect("admin:profiles_reviewrequest_change", review.pk)
        form = DecisionForm(request.POST if request.method == "POST" else None, review=review)
        if form.is_valid():
            _decide(request, review, form.cleaned_data)
            return redirect("admin:profiles_reviewrequest_change", review.pk)
        context = {
            "title": gettext("Decide on a review request"),
            "opts": self.opts,
            "form": form,
            "original": review,
        }
        context |= self.admin_site.each_context(request) | _page_context(review)
        return render(request, "admin/profiles/reviewrequest/decide.html", context)

    def assign(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Assign the request to the user, or remove the assignment."""
        review = self._get_review(request, object_id)
        assignee = request.user if request.POST.get("to") == "me" and isinstance(request.user, User) else None
        instead_of = parse_id(request.POST.get("instead_of", ""))
        try:
            reviews.assign(review, assignee, instead_of=instead_of, actor=Actor.from_request(request))
        except AlreadyClosedError as error:
            messages.error(request, str(error))
        except AlreadyAssignedError:
            messages.error(request, gettext("Another admin has changed the assignment. Nothing was changed."))
        else:
            messages.success(request, gettext("Assigned to you.") if assignee else gettext("Assignment removed."))
        return redirect("admin:profiles_reviewrequest_change", review.pk)

    def open_file(self, request: HttpRequest, object_id: str, file_id: int) -> HttpResponse:
        """Send a file. POST, because each opening is audited."""
        review = self._get_review(request, object_id)
        file = reviews.open_file(review, file_id, actor=Actor.from_request(request))
        if file is None:
            raise Http404
        return download(file)

    def _get_review(self, request: HttpRequest, object_id: str) -> ReviewRequest:
        if not may_repair(request):
            raise PermissionDenied
        review = self.get_object(request, object_id)
        if review is None:
            raise Http404
        return review


def _page_context(review: ReviewRequest) -> dict[str, Any]:
    others = ReviewRequest.objects.filter(builder=review.builder_id).exclude(pk=review.pk)
    return {
        "review": review,
        "files": ReviewFile.objects.filter(review=review).defer("content"),
        "others": others.order_by("-requested_at")[:MAX_OTHERS],
    }


def _decide(request: HttpRequest, review: ReviewRequest, values: dict[str, Any]) -> None:
    decision = Decision(**{**values, "state": State(values["state"])})
    try:
        reviews.decide(review, decision, actor=Actor.from_request(request))
    except AlreadyClosedError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, gettext("Decision saved."))
