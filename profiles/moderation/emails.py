"""The emails to builders about our team's decisions: visibility, tier and badges."""

from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Notification
from accounts.notifications import send
from accounts.notifications.content import Content, Link
from accounts.notifications.kinds import Kind, Obsolete
from core.choices import label_of
from profiles.models import Badge, BuilderProfile, ReviewRequest

Tier, State = BuilderProfile.Tier, ReviewRequest.State


def notify_hidden(profile: BuilderProfile) -> None:
    """Notify the owner that the page was hidden, or that the reason was changed."""
    _notify(profile, VISIBILITY_DECIDED, "hidden", reason=profile.hidden_reason)


def notify_shown(profile: BuilderProfile, reason: str) -> None:
    """Notify the owner that the page is no longer hidden. `reason` is why it was hidden."""
    _notify(profile, VISIBILITY_DECIDED, "shown", reason=reason)


def notify_tier(profile: BuilderProfile) -> None:
    _notify(profile, REVIEW_DECIDED, "tier", tier=profile.validation_tier)


def notify_badge(badge: Badge) -> None:
    _notify(badge.builder, REVIEW_DECIDED, "badge", badge=badge.kind, evidence=badge.evidence)


def notify_badge_withdrawn(profile: BuilderProfile, kind: str) -> None:
    _notify(profile, REVIEW_DECIDED, "badge withdrawn", badge=kind)


def notify_review(review: ReviewRequest, *, is_new: bool) -> None:
    """Notify the owner about the decision on a request for a tier or badge, with the reason.

    Args:
        is_new: the profile did not have the granted tier or badge before. The owner is also notified if it did, because the
            owner waits for an answer.
    """
    badge = Badge.objects.filter(builder=review.builder, kind=review.badge).first() if review.badge else None
    facts = {"tier": review.tier, "badge": review.badge, "reason": review.reason, "is_new": is_new}
    facts["evidence"] = badge.evidence if badge and review.state == State.GRANTED else ""
    send.notify(review.builder.user, REVIEW_DECIDED.key, f"review:{review.pk}", decision=review.state, **facts)


def _notify(profile: BuilderProfile, kind: Kind, decision: str, **facts: object) -> None:
    """Store the notification. Each decision is a separate cause, because the services ignore repeated decisions."""
    cause = f"{decision} {timezone.now().isoformat()}"
    send.notify(profile.user, kind.key, cause, decision=decision, **facts)


def _page_of(notification: Notification) -> Link:
    """Return the link to the owner's page."""
    builder = BuilderProfile.objects.filter(user=notification.user, slug__isnull=False).first()
    if builder is None:
        raise Obsolete("The page was erased.")
    return Link(gettext("Open your page"), settings.SITE_URL + builder.get_absolute_url())


def _build_visibility(notification: Notification) -> Content:
    is_hidden = notification.facts.get("decision") == "hidden"
    if is_hidden:
        title = gettext("Your page was hidden")
        text = gettext("Our team has hidden your page from the public for this reason:")
        note = gettext("Your content is kept. Fix the problem, then contact us.")
    else:
        title = gettext("Your page is no longer hidden")
        text = gettext("Our team has made your page visible again. It was hidden for this reason:")
        note = ""
    return Content(
        subject=title,
        paragraphs=[text],
        quote=str(notification.facts.get("reason", "")),
        notes=[note] if note else [],
        button=_page_of(notification),
        links=[Link.to_contact()],
    )


def _build_review(notification: Notification) -> Content:
    facts, page = notification.facts, _page_of(notification)
    if facts.get("decision") == State.DECLINED:
        return _build_declined(facts, page)
    if facts.get("decision") == State.GRANTED:
        return _build_granted(facts, page)
    if facts.get("decision") == "tier":
        tier = Tier(facts["tier"])
        title = gettext("Your tier is now “%(tier)s”") % {"tier": tier.label}
        return Content(title, [str(BuilderProfile.TIER_MEANINGS[tier])], button=page, links=[Link.to_contact()])
    badge = {"badge": label_of(Badge.Kind, str(facts.get("badge")))}
    if facts.get("decision") == "badge":
        title = gettext("You were awarded the badge “%(badge)s”") % badge
        text = gettext("Your page shows the badge with this evidence:")
        return Content(title, [text], quote=str(facts.get("evidence", "")), button=page, links=[Link.to_contact()])
    title = gettext("The badge “%(badge)s” was withdrawn") % badge
    return Content(title, [gettext("Your page no longer shows it.")], button=page, links=[Link.to_contact()])


def _requested(facts: dict[str, Any]) -> dict[str, str]:
    subject = Tier(facts["tier"]).label if facts["tier"] else label_of(Badge.Kind, str(facts["badge"]))
    return {"subject": str(subject)}


def _build_granted(facts: dict[str, Any], page: Link) -> Content:
    title = gettext("Your request for “%(subject)s” was granted") % _requested(facts)
    text = gettext("An admin has reviewed your request and granted it for this reason:")
    if not facts["is_new"]:
        note = gettext(
            "Your page already had this tier or badge, or a higher tier, so its tier and badges did not change."
        )
    elif facts["tier"]:
        note = str(BuilderProfile.TIER_MEANINGS[Tier(facts["tier"])])
    else:
        note = gettext("Your page now shows the badge with its evidence.")
    evidence = [(gettext("Evidence"), str(facts["evidence"]))] if facts["evidence"] else []
    return Content(
        title, [text], quote=str(facts["reason"]), facts=evidence, notes=[note], button=page, links=[Link.to_contact()]
    )


def _build_declined(facts: dict[str, Any], page: Link) -> Content:
    title = gettext("Your request for “%(subject)s” was declined") % _requested(facts)
    text = gettext("An admin has reviewed your request and declined it for this reason:")
    return Content(title, [text], quote=str(facts["reason"]), button=page, links=[Link.to_contact()])


VISIBILITY_DECIDED = Kind(
    "visibility_decided",
    _("Visibility of your page"),
    _("When our team hides your page or makes it visible again."),
    _build_visibility,
)
REVIEW_DECIDED = Kind(
    "review_decided",
    _("Reviews of your work"),
    _("When our team decides on your request, changes your tier, or awards or withdraws a badge."),
    _build_review,
)
KINDS = (VISIBILITY_DECIDED, REVIEW_DECIDED)
