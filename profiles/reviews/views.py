"""Pages on which builders ask for a review. All of them work without JavaScript."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.generic.edit import FormView

from accounts.http import AuthenticatedRequest
from accounts.sessions.preserved_forms import PreservedFormMixin
from profiles.mixins import BuilderPageMixin
from profiles.models import ReviewFile, ReviewRequest
from profiles.reviews import services as reviews
from profiles.reviews.downloads import download
from profiles.reviews.forms import ReviewRequestForm
from profiles.reviews.services import AlreadyClosedError, ReviewRejectedError


class ReviewsMixin(BuilderPageMixin):
    """A page for the owner only. Admins have the queue in the admin."""

    request: AuthenticatedRequest
    required = "view_reviews"
    http_method_names = ["get", "head", "post"]

    def get_reviews(self) -> QuerySet[ReviewRequest]:
        return self.profile.review_requests.order_by("-requested_at")

    def redirect_to_list(self) -> HttpResponse:
        return redirect("profiles:reviews", self.profile.slug)


@method_decorator(never_cache, name="dispatch")
class ReviewsView(PreservedFormMixin[ReviewRequestForm], ReviewsMixin, FormView[ReviewRequestForm]):
    """List the builder's requests, and accept a new one."""

    request: AuthenticatedRequest
    template_name = "profiles/reviews.html"
    form_class = ReviewRequestForm

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "profile": self.profile}

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        found = self.get_reviews().prefetch_related(Prefetch("files", ReviewFile.objects.defer("content")))
        days = settings.REVIEW_EVIDENCE_DAYS
        return super().get_context_data(
            profile=self.profile, access=self.access, reviews=found, evidence_days=days, **context
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.access.can_request_review:
            raise PermissionDenied
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: ReviewRequestForm) -> HttpResponse:
        values = form.cleaned_data
        evidence = {"text": values["text"], "links": values["links"], "files": values["attachments"]}
        try:
            reviews.request_review(self.profile, values["subject"], **evidence, actor=self.actor)
        except ReviewRejectedError as error:
            form.add_error(None, str(error))
            return self.form_invalid(form)
        self.discard_preserved_form()
        messages.success(self.request, gettext("Request sent. We will review it, and you can see the decision here."))
        return self.redirect_to_list()


class WithdrawReviewView(ReviewsMixin):
    def get(self, request: AuthenticatedRequest, slug: str, pk: int) -> HttpResponse:
        """Redirect users who return here after signing in again."""
        return self.redirect_to_list()

    def post(self, request: AuthenticatedRequest, slug: str, pk: int) -> HttpResponse:
        review = get_object_or_404(self.get_reviews(), pk=pk)
        try:
            reviews.withdraw(review, actor=self.actor)
        except AlreadyClosedError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, gettext("Request withdrawn. Your evidence has been erased."))
        return self.redirect_to_list()


@method_decorator(never_cache, name="dispatch")
class ReviewFileView(ReviewsMixin):
    """Download a file of the user's own request."""

    http_method_names = ["get", "head"]

    def get(self, request: AuthenticatedRequest, slug: str, pk: int, file_pk: int) -> HttpResponse:
        file = reviews.open_own_file(self.profile, pk, file_pk, actor=self.actor)
        if file is None:
            raise Http404
        return download(file)
