"""Change the access of several users in Clerk. A few users are changed at once, and more by a job."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from procrastinate.contrib.django import app as queue

from accounts.models import AccessRun, User
from accounts.sessions.access import AccessError, Change, NothingToEndError, change_access
from audit.log import Actor
from audit.models import AuditLog
from core.english import counted
from core.interface_languages import english
from core.jobs import describe

#: Maximum number of users that a request changes while the admin waits.
MAX_AT_ONCE = 5
MAX_USERS = 500
#: When a job completes the run of a request that was stopped. No request takes longer.
COMPLETE_AFTER_S = 300
#: A run stops after this many failures in a row, because Clerk is probably unreachable.
MAX_FAILURES = 3

State = AccessRun.State


def why_unchanged(user: User, change: str, admin: User) -> str:
    """Return why a run skips the user, or "" if it changes the user."""
    if not user.clerk_id or user.deleted_at:
        return _("No account in Clerk")
    if change == Change.BAN and user.pk == admin.pk:
        return _("Your own account")
    if change == Change.BAN and user.banned:
        return _("Already banned")
    return _("Not banned") if change == Change.UNBAN and not user.banned else ""


def start(users: list[User], change: str, *, reason: str, actor: Actor) -> AccessRun:
    """Start a run for users who need the change. Call this outside transactions, because it may send requests."""
    with transaction.atomic():
        user_ids = [user.pk for user in users]
        run = AccessRun.objects.create(change=change, reason=reason, requested_by=actor.user, user_ids=user_ids)
        is_small = len(users) <= MAX_AT_ONCE
        change_access_of_users.configure(schedule_in={"seconds": COMPLETE_AFTER_S if is_small else 0}).defer(
            run_id=run.pk
        )
    if is_small:
        process(run, actor)
    return run


def try_again(run: AccessRun) -> bool:
    """Queue the users who were not changed again. Return False if the run is not over or has no such users."""
    with transaction.atomic():
        locked = AccessRun.objects.select_for_update().get(pk=run.pk)
        if locked.state == State.RUNNING or locked.changed == locked.total:
            return False
        locked.results = {key: result for key, result in locked.results.items() if result["done"]}
        locked.state, locked.error, locked.finished_at = State.RUNNING, "", None
        locked.save(update_fields=["results", "state", "error", "finished_at"])
        change_access_of_users.defer(run_id=locked.pk)
    return True


@queue.task(queue="upkeep", lock="change_access_of_users")
@describe(
    gettext_lazy("Change the access of several users"),
    gettext_lazy(
        "Bans users, removes bans or ends sessions in Clerk at an admin's request. The result is on the page of the run."
    ),
)
def change_access_of_users(run_id: int) -> None:
    run = AccessRun.objects.select_related("requested_by").get(pk=run_id)
    process(run, Actor(AuditLog.Source.SYSTEM, user=run.requested_by))


def process(run: AccessRun, actor: Actor) -> None:
    """Change the remaining users of a run. A repeated job continues where the previous one was interrupted."""
    failures = 0
    for user in User.objects.filter(pk__in=run.remaining_ids() if run.state == State.RUNNING else []).order_by("pk"):
        if not User.objects.get(pk=run.requested_by_id).is_staff:
            _end(run, State.STOPPED, "The admin who started this run is no longer an admin.")
            return
        done = _change(run, user, actor)
        failures = 0 if done else failures + 1
        if failures == MAX_FAILURES:
            _end(run, State.STOPPED, f"Clerk rejected {counted(failures, 'request')} in a row.")
            return
    if run.state == State.RUNNING:
        _end(run, State.FINISHED)


def _change(run: AccessRun, user: User, actor: Actor) -> bool:
    """Change one user, and store the answer, so that an interrupted run does not repeat it."""
    with english():
        answer, done = why_unchanged(user, run.change, run.requested_by), True
        if not answer:
            answer, done = _request(run, user, actor)
    run.results[str(user.pk)] = {"done": done, "answer": answer}
    run.save(update_fields=["results"])
    return done


def _request(run: AccessRun, user: User, actor: Actor) -> tuple[str, bool]:
    """Return Clerk's answer, and whether the user was changed."""
    try:
        return _answer(change_access(user, Change(run.change), reason=run.reason, actor=actor), run.change), True
    except NothingToEndError:
        return "No active sessions.", True
    except AccessError as error:
        return str(error)[:500], False


def _answer(ended: int, change: str) -> str:
    if change == Change.SIGN_OUT:
        return ngettext("%d session ended.", "%d sessions ended.", ended) % ended
    return "Banned." if change == Change.BAN else "The ban was removed."


def _end(run: AccessRun, state: AccessRun.State, error: str = "") -> None:
    run.state, run.error, run.finished_at = state, error, timezone.now()
    run.save(update_fields=["state", "error", "finished_at"])
