"""Background jobs in the admin: the filterable list, the page of a job, and actions."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from procrastinate.contrib.django.models import ProcrastinateJob

from audit.log import Actor
from core.admin.filter_groups import Chip
from core.admin.keyset import KeysetAdmin
from core.admin.post_only import post_only
from webhooks.admin.events.actions import can_repair
from webhooks.admin.events.list import clerk_ids_by_email
from webhooks.admin.jobs.filters import JobFilter, retried_since
from webhooks.admin.lists.admin import FormChangeList
from webhooks.admin.pages import operators_page
from webhooks.jobs import actions as job_actions
from webhooks.jobs import lists
from webhooks.jobs.history import add_details, history, sentence
from webhooks.jobs.states import FAILING, STOPPED, WAITING
from webhooks.models import Job
from webhooks.models.jobs import JobState

# Procrastinate's pages use inline styles, which our content security policy blocks.
admin.site.unregister(ProcrastinateJob)

#: The form counts selected jobs up to this number.
MAX_COUNTED = job_actions.MAX_JOBS


class JobChangeList(FormChangeList):
    """Adds details such as the user and the latest failure to each job."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self._read_details(lambda: add_details(self.result_list))


class BulkForm(forms.Form):
    """An action on all jobs that match the filters in the URL. Jobs queued after the form was shown are excluded."""

    action = forms.ChoiceField(choices=[(name, name) for name in ("retry", "discard")])
    newest = forms.IntegerField(min_value=0, max_value=2**63 - 1)


@admin.register(Job)
class JobAdmin(KeysetAdmin[Job]):
    """Admins can retry, discard and cancel jobs. Jobs cannot be added or edited."""

    change_list_template = "admin/webhooks/job/change_list.html"
    list_display = ("id", "task_name", "scheduled_at", "attempts")
    list_filter = (JobFilter,)
    search_fields = ("id",)  # enables the search box; see get_search_results
    search_help_text = gettext_lazy(
        "A job ID, a delivery ID (msg_2abc), a Clerk user ID (user_2abc), an email address, or a word in the job's name."
    )
    actions = ("retry", "discard", "cancel")
    timeout_ms = 2000

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ChangeList]:
        return JobChangeList

    def has_repair_permission(self, request: HttpRequest) -> bool:
        return can_repair(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        return lists.with_state(super().get_queryset(request))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        emails = clerk_ids_by_email(term) if "@" in term else []
        return (queryset.none() if "@" in term and not emails else lists.search(queryset, term, emails)), False

    def get_urls(self) -> list[URLPattern]:
        return [
            path("bulk/", operators_page(self.bulk), name="webhooks_job_bulk"),
            path("<path:object_id>/action/", operators_page(post_only(self.act)), name="webhooks_job_action"),
            *super().get_urls(),
        ]

    # --- One job ---

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the job's page instead of Django's form. Django handles other methods and missing permissions."""
        job = self.get_object(request, object_id)
        if job is None or request.method not in ("GET", "HEAD") or not self.has_view_permission(request, job):
            return super().change_view(request, object_id, form_url, extra_context)
        add_details([job])
        entries = history(job)
        failures = [entry.failure for entry in entries if entry.failure]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": job.title,
            "job": job,
            "sentence": sentence(job),
            "history": entries,
            "cause": failures[-1] if failures and job.state in (*STOPPED, *WAITING) else None,
            "can_retry": job.state in STOPPED and can_repair(request),
            "can_retry_now": job.state == JobState.RETRYING and can_repair(request),
            "can_cancel": job.state in WAITING and can_repair(request),
        }
        return TemplateResponse(request, "admin/webhooks/job/detail.html", context)

    def act(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not can_repair(request):
            raise PermissionDenied
        job, action = self.get_object(request, object_id), request.POST.get("action")
        if job is None:
            raise Http404
        if action == "retry":
            self._report_retry(request, job_actions.retry([job.pk], Actor.from_request(request)))
        elif action == "retry_now":
            self._report_retry(request, job_actions.retry_now([job.pk], Actor.from_request(request)))
        elif action == "cancel":
            self._report_cancel(request, job_actions.cancel([job.pk], Actor.from_request(request)))
        elif action == "discard":
            done = job_actions.discard([job.pk], Actor.from_request(request))
            self._report_discard(request, done)
            if done.changed:
                return redirect("admin:webhooks_job_changelist")
        else:
            self.message_user(request, _("Nothing was changed. Choose an action."), messages.ERROR)
        return redirect(reverse("admin:webhooks_job_change", args=[job.pk]))

    # --- Several jobs ---

    @admin.action(description=gettext_lazy("Retry selected jobs"), permissions=["repair"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse:
        since, ids = lists.database_time(), job_actions.newest(queryset)
        done = job_actions.retry_all(ids, Actor.from_request(request))
        self._report_retry_all(request, done)
        return _redirect_to_list(request, **(retried_since(since) if done.changed else {}))

    @admin.action(description=gettext_lazy("Discard selected jobs"), permissions=["repair"])
    def discard(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        self._report_discard(request, job_actions.discard(job_actions.newest(queryset), Actor.from_request(request)))

    @admin.action(description=gettext_lazy("Cancel selected jobs"), permissions=["repair"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse:
        done = job_actions.cancel(job_actions.newest(queryset), Actor.from_request(request))
        self._report_cancel(request, done)
        return _redirect_to_list(request, state=JobState.CANCELLED if done.changed else "")

    def bulk(self, request: HttpRequest) -> HttpResponse:
        """Show or process the form for all failed and retrying jobs that match the filters in the URL."""
        if not can_repair(request):
            raise PermissionDenied
        try:
            changelist = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return self._back(request, _("Nothing was changed, because the filter is invalid. Filter the list again."))
        assert isinstance(changelist, JobChangeList)  # noqa: S101
        if changelist.warnings or changelist.timed_out:
            reasons = changelist.warnings or [_("The search took too long. Narrow the time range.")]
            return self._back(request, " ".join([_("Nothing was changed."), *reasons]))
        jobs, chips = changelist.queryset.filter(state__in=FAILING), changelist.chips()
        description = ", ".join(f"{chip.label}: {chip.value}" for chip in chips)
        if request.method != "POST":
            return self._show_form(request, jobs, description)
        form = BulkForm(request.POST)
        if not form.is_valid():
            return self._back(request, _("Nothing was changed. Choose an action."))
        since, jobs = lists.database_time(), jobs.filter(pk__lte=form.cleaned_data["newest"])
        is_retried = self._run(request, form.cleaned_data["action"], jobs, chips)
        return _redirect_to_list(request, **(retried_since(since) if is_retried else {}))

    def _run(self, request: HttpRequest, action: str, jobs: QuerySet[Any], chips: Iterable[Chip]) -> bool:
        """Retry the failed and retrying jobs, or discard the failed ones. Return whether any job was retried."""
        ids = job_actions.newest(jobs if action == "retry" else jobs.filter(state__in=STOPPED))
        actor, description = Actor.from_request(request), ", ".join(str(chip.label) for chip in chips)
        is_retried = False
        if action == "retry":
            done = job_actions.retry_all(ids, actor, description=description)
            self._report_retry_all(request, done)
            is_retried = done.changed > 0
        else:
            self._report_discard(request, job_actions.discard(ids, actor, description=description))
        if len(ids) == job_actions.MAX_JOBS:
            self.message_user(request, _("More jobs may match. Repeat the action for the next jobs."), messages.WARNING)
        return is_retried

    def _show_form(self, request: HttpRequest, jobs: QuerySet[Any], description: str) -> HttpResponse:
        states = list(jobs.order_by().values_list("state", flat=True)[: MAX_COUNTED + 1])
        number, retrying = len(states), states.count(JobState.RETRYING)
        context = {
            "title": _("Retry jobs"),
            "opts": self.opts,
            "number": min(number, MAX_COUNTED),
            "failed": number - retrying,
            "retrying": retrying,
            "is_more": number > MAX_COUNTED,
            "description": description,
            "newest": Job.objects.order_by("-pk").values_list("pk", flat=True).first() or 0,
            "query": request.GET.urlencode(),
        }
        return render(request, "admin/webhooks/job/bulk.html", self.admin_site.each_context(request) | context)

    # --- Messages ---

    def _back(self, request: HttpRequest, message: str) -> HttpResponse:
        self.message_user(request, message, messages.ERROR)
        return redirect("admin:webhooks_job_changelist")

    def _report_retry(self, request: HttpRequest, done: job_actions.Done) -> None:
        skipped = ngettext(
            "%d of them cannot run, because its next run is already queued.",
            "%d of them cannot run, because their next run is already queued.",
            done.skipped,
        )
        text = ngettext("%d job will run again.", "%d jobs will run again.", done.changed)
        self._report(request, text, done, skipped % done.skipped)

    def _report_retry_all(self, request: HttpRequest, done: job_actions.Retried) -> None:
        """Report how many jobs were retried, and how many were skipped for which reason."""
        changed = [
            (done.failed, ngettext("%d job will run again.", "%d jobs will run again.", done.failed)),
            (done.retrying, ngettext("%d retrying job starts now.", "%d retrying jobs start now.", done.retrying)),
        ]
        skipped = [
            (
                done.queued,
                ngettext(
                    "%d job was skipped, because its next run is already queued.",
                    "%d jobs were skipped, because their next runs are already queued.",
                    done.queued,
                ),
            ),
            (
                done.busy,
                ngettext(
                    "%d job was skipped, because another process is changing it. Try again.",
                    "%d jobs were skipped, because other processes are changing them. Try again.",
                    done.busy,
                ),
            ),
            (
                done.others,
                ngettext(
                    "%d job was skipped, because it is neither failed nor retrying.",
                    "%d jobs were skipped, because they are neither failed nor retrying.",
                    done.others,
                ),
            ),
        ]
        if not done.changed:
            self.message_user(request, _("Nothing was changed."), messages.WARNING)
        for level, sentences in ((messages.SUCCESS, changed), (messages.WARNING, skipped)):
            if text := " ".join(sentence % number for number, sentence in sentences if number):
                self.message_user(request, text, level)

    def _report_discard(self, request: HttpRequest, done: job_actions.Done) -> None:
        text = ngettext("%d job was discarded.", "%d jobs were discarded.", done.changed)
        self._report(request, text, done)

    def _report_cancel(self, request: HttpRequest, done: job_actions.Done) -> None:
        text = ngettext("%d job was cancelled.", "%d jobs were cancelled.", done.changed)
        self._report(request, text, done)

    def _report(self, request: HttpRequest, text: str, done: job_actions.Done, skipped: str = "") -> None:
        if done.changed:
            self.message_user(request, text % done.changed, messages.SUCCESS)
        if done.skipped and skipped:
            self.message_user(request, skipped, messages.WARNING)
        if not (done.changed or done.skipped):
            message = _("Nothing was changed, because no selected job is in the required state.")
            self.message_user(request, message, messages.WARNING)


def _redirect_to_list(request: HttpRequest, **filters: str) -> HttpResponse:
    """Redirect to the list with its filters. If jobs were changed, replace the filters that they no longer match.

    Args:
        filters: filters that the changed jobs match. They are missing or empty if no job was changed.
    """
    query = request.GET.copy()
    if any(filters.values()):
        for name in ("state", "overdue", *JobAdmin.list_parameters):
            query.pop(name, None)
        query.update(filters)
    return redirect(f"{reverse('admin:webhooks_job_changelist')}?{query.urlencode()}")
