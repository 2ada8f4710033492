"""The page of a reconciliation report: its status, figures, and the users that differed."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import Reconciliation, User

DifferenceKind, State = Reconciliation.DifferenceKind, Reconciliation.State
#: Kinds of examples that still differ after a repair.
OPEN_KINDS = {
    "unrepaired": gettext_lazy("could not be corrected"),
    "skipped_deletions": gettext_lazy("deletion needs an approval"),
    DifferenceKind.UNREADABLE: DifferenceKind.UNREADABLE.label,
}
KIND_LABELS: dict[str, str | Promise] = {**dict(DifferenceKind.choices), **OPEN_KINDS}


#: Labels for accounts.organizations.reconciliation.OBJECTS and UNKNOWN.
OBJECT_LABELS = {
    "organizations": gettext_lazy("organizations"),
    "memberships": gettext_lazy("memberships"),
    "invitations": gettext_lazy("invitations"),
    "unknown": gettext_lazy("entries without an ID"),
}


class Tile(NamedTuple):
    """A figure with a note, and the URL of the rows behind it, or ""."""

    label: str
    figure: str
    note: str = ""
    url: str = ""
    is_problem: bool = False


class Example(NamedTuple):
    """A user who differed. `user` is None if there is no account here."""

    clerk_id: str
    user: User | None
    kind: str | Promise
    fields: str
    reason: str
    since: Any


def build_context(run: Reconciliation) -> dict[str, Any]:
    still_open, others = _split(run)
    return {
        "title": str(run),
        "run": run,
        "level": _level(run),
        "summary": _summary(run),
        "tiles": _tiles(run),
        "still_open": still_open,
        "others": others,
        "kinds": [
            *_objects(run),
            *((label, number) for name, label in _COUNTED.items() if (number := getattr(run, name))),
        ],
        "by_field": [] if _is_about_organizations(run) else sorted(run.fields.items(), key=lambda item: -item[1]),
    }


def _is_about_organizations(run: Reconciliation) -> bool:
    return run.kind == Reconciliation.Kind.ORGANIZATIONS


def _objects(run: Reconciliation) -> list[tuple[str | Promise, int]]:
    """Return how many objects of each kind differed, if the run compared organizations."""
    counts = run.fields if _is_about_organizations(run) else {}
    return [(label, counts[name]) for name, label in OBJECT_LABELS.items() if counts.get(name)]


_COUNTED: dict[str, str | Promise] = {
    **dict(DifferenceKind.choices),
    "skipped_deletions": OPEN_KINDS["skipped_deletions"],
}


def _level(run: Reconciliation) -> str:
    """Return the severity, which is also the name of an icon."""
    if run.state == State.FAILED or (run.still_differ and not run.dry_run):
        return "bad"
    if run.state != State.FINISHED:
        return "unknown"
    return "attention" if run.dry_run and run.differed else "good"


def _tiles(run: Reconciliation) -> list[Tile]:
    has_users = run.examples and not _is_about_organizations(run)
    users_url = f"{reverse('admin:accounts_user_changelist')}?report={run.pk}" if has_users else ""
    differed = [str(label) for label, _number in _objects(run)] or sorted(run.fields)
    total = _("of %s users in Clerk") % _number(run.clerk_total) if run.clerk_total else ""
    rate = "–" if run.match_rate is None else f"{run.match_rate:.2f}%"
    tiles = [
        Tile(_("Compared"), _number(run.compared), total),
        Tile(_("Match rate"), rate, _("before the run")),
        Tile(_("Differed"), _number(_differed(run)), ", ".join(differed), users_url),
    ]
    if run.dry_run:
        return [*tiles, Tile(_("Corrected"), "–", _("A dry run changes nothing."))]
    pushed = ngettext("%d change was pushed to Clerk", "%d changes were pushed to Clerk", run.pushed) % run.pushed
    if not run.still_differ:
        return [*tiles, Tile(_("Corrected here"), _number(run.repaired), pushed)]
    note = _("%(repaired)d corrected here, %(pushed)d pushed to Clerk") % {
        "repaired": run.repaired,
        "pushed": run.pushed,
    }
    url = "#approval" if run.skipped_deletions == run.still_differ else "#open"
    return [*tiles, Tile(_("Still differ"), _number(run.still_differ), note, url, is_problem=True)]


def _differed(run: Reconciliation) -> int:
    """Return the number of differences. Comparisons of organizations count skipped deletions as not repaired."""
    return run.differed + (run.unrepaired if _is_about_organizations(run) else 0)


def _number(number: int) -> str:
    return number_format(number, force_grouping=True)


def _split(run: Reconciliation) -> tuple[list[Example], list[Example]]:
    """Return the users who still differ, and all others. Users with several examples are listed once.

    Users whose deletions were skipped are listed next to the form that approves the deletions.
    """
    by_id: dict[str, dict[str, Any]] = {}
    for example in run.examples:
        if example["kind"] == "skipped_deletions":
            continue
        known = by_id.get(example["clerk_id"])
        if known is None or example["kind"] in OPEN_KINDS:
            # An example of a failed repair follows the example that lists the fields.
            by_id[example["clerk_id"]] = example | {"fields": example["fields"] or (known or {}).get("fields", [])}
    users = {user.clerk_id: user for user in User.objects.filter(clerk_id__in=by_id)}
    is_open = {clerk_id: example["kind"] in OPEN_KINDS for clerk_id, example in by_id.items()}
    return (
        list(_examples((by_id[key] for key in by_id if is_open[key]), users)),
        list(_examples((by_id[key] for key in by_id if not is_open[key]), users)),
    )


def _examples(examples: Iterable[dict[str, Any]], users: dict[str | None, User]) -> Iterable[Example]:
    for example in examples:
        since = parse_datetime(example["since"]) if example.get("since") else None
        kind = KIND_LABELS.get(example["kind"], example["kind"])
        fields = ", ".join(example["fields"])
        user = users.get(example["clerk_id"])
        yield Example(example["clerk_id"], user, kind, fields, example.get("reason") or "", since)


def _summary(run: Reconciliation) -> str:
    if run.state == State.FAILED:
        return _("Failed: %s") % run.error
    if run.state == State.RUNNING:
        return _("Running or interrupted.")
    if run.state == State.PAUSED:
        return _("Paused. The next job continues with the next part of Clerk’s list.")
    if not (run.differed or run.still_differ):
        return _("No differences found.")
    if _is_about_organizations(run):
        return f"{_organization_summary(run)} {_remaining_differences(run)}"
    message = ngettext("%(count)d user differed: %(kinds)s.", "%(count)d users differed: %(kinds)s.", run.differed)
    parts = [message % {"count": run.differed, "kinds": ", ".join(_counts(run))}]
    if run.fields:
        parts.append(_("Fields that differed: %(fields)s.") % {"fields": ", ".join(sorted(run.fields))})
    return " ".join([*parts, _remaining_differences(run)])


def _organization_summary(run: Reconciliation) -> str:
    # Older reports do not contain the kinds of objects.
    objects = ", ".join(f"{label} ({_number(number)})" for label, number in _objects(run)) or _("organizations")
    count = _differed(run)
    message = ngettext(
        "%(count)d difference in %(objects)s: %(kinds)s.", "%(count)d differences in %(objects)s: %(kinds)s.", count
    )
    return message % {"count": count, "objects": objects, "kinds": ", ".join(_counts(run))}


def _counts(run: Reconciliation) -> Iterator[str]:
    """Yield the number of users with each kind of difference that the run found."""
    yield from (message % {"count": number} for number, message in _messages(run) if number)


def _messages(run: Reconciliation) -> Iterable[tuple[int, str]]:
    # Comparisons of organizations count skipped deletions as not repaired, because they cannot be approved.
    unlisted = run.skipped_deletions + (run.unrepaired if _is_about_organizations(run) else 0)
    return (
        (run.missing, ngettext("%(count)d was missing here", "%(count)d were missing here", run.missing)),
        (run.stale, ngettext("%(count)d was out of date here", "%(count)d were out of date here", run.stale)),
        (run.deleted, ngettext("%(count)d was deleted in Clerk", "%(count)d were deleted in Clerk", run.deleted)),
        (
            run.unpushed,
            ngettext(
                "%(count)d had a change that was not pushed to Clerk",
                "%(count)d had changes that were not pushed to Clerk",
                run.unpushed,
            ),
        ),
        (
            run.unreadable,
            ngettext("%(count)d was unreadable", "%(count)d were unreadable", run.unreadable),
        ),
        (
            unlisted,
            ngettext("%(count)d was missing from Clerk’s list", "%(count)d were missing from Clerk’s list", unlisted),
        ),
    )


def _remaining_differences(run: Reconciliation) -> str:
    if run.dry_run:
        return _("Nothing was changed.")
    if not run.still_differ:
        return _("All differences were repaired.")
    if _is_about_organizations(run):
        message = ngettext(
            "%(count)d still differs. See the examples for the reasons.",
            "%(count)d still differ. See the examples for the reasons.",
            run.still_differ,
        )
        return message % {"count": run.still_differ}
    message = ngettext(
        "%(count)d user still differs. See the examples for the reasons.",
        "%(count)d users still differ. See the examples for the reasons.",
        run.still_differ,
    )
    return message % {"count": run.still_differ}
