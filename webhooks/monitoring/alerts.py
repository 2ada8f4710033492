"""Open, worsen and resolve alerts, and tell people over the channels of ALERT_URLS.

A trouble opens one alert. It is over when its rule has found nothing for a while, and one that is back soon afterwards is
the same alert again, so that nothing flaps. What is to be told is written with the change, one row a channel, and sent
afterwards: a channel that fails is tried again and holds up no other.

Web servers may look, too, and reach PostgreSQL through PgBouncer, which gives each transaction another session. So whatever
keeps processes apart here ends with a transaction.
"""

import hashlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import apprise
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from webhooks.models import Alert, Notice
from webhooks.monitoring.health import Vitals, measure
from webhooks.monitoring.rules import RULES, Finding

log = logging.getLogger(__name__)

What = Notice.What
#: How long a rule has to find nothing until its alert is resolved.
WELL_FOR = timedelta(minutes=5)
#: Within this time after it was resolved, a trouble that is back is the same alert. It is told anew only if it is there at the
#: end of this time, because until then people were told that it is over.
BACK_WITHIN = timedelta(minutes=30)
#: It is worse when it is so many times what was told last.
WORSE = 2
MOST_ATTEMPTS, RETRY_AFTER = 5, timedelta(minutes=1)
#: With the rule, the advisory lock that lets one process follow it at a time; any number of four bytes that nothing else uses.
LOCK = 0x616C6572


def check() -> list[Alert]:
    """Judge every rule once and tell what changed; return the alerts that are open now.

    A rule that cannot be judged is logged, and keeps no other one from it.
    """
    vitals = measure()
    for rule, judge in RULES.items():
        try:
            _judge(rule, judge, vitals)
        except Exception:
            log.exception("The rule %s could not be judged; it is tried again in a minute.", rule)
    send_notices()
    return list(Alert.objects.open())


def send_notices() -> None:
    """Send what is still to be told; what fails is tried again a minute later, five times in all."""
    channels = {channel_name(url): url for url in settings.ALERT_URLS}
    due = Notice.objects.filter(sent_at=None, due_at__lte=timezone.now(), attempts__lt=MOST_ATTEMPTS)
    for notice in due.select_related("alert"):
        if not _claim(notice):
            continue
        url = channels.get(notice.channel)
        notice.error = _send(url, notice) if url else "The channel is not in ALERT_URLS any more."
        if notice.error:
            log.error("The alert %s could not be told over %s: %s", notice.alert, notice.channel, notice.error)
        else:
            notice.sent_at = timezone.now()
        notice.save(update_fields=["error", "sent_at"])


def tell(alert: Alert, what: Notice.What) -> None:
    """Write down that every channel is to be told what became of an alert; it is sent within a minute."""
    Notice.objects.bulk_create(Notice(alert=alert, what=what, channel=channel_name(url)) for url in settings.ALERT_URLS)


def channel_name(url: str) -> str:
    """Return a name for a channel that tells its kind and none of the secrets in its address."""
    return f"{url.partition(':')[0][:16]} {hashlib.sha256(url.encode()).hexdigest()[:8]}"


def link_to(alert: Alert) -> str:
    """Return the whole address of the alert's page."""
    [origin, *_] = [*settings.CLERK_AUTHORIZED_PARTIES, f"https://{(settings.ALLOWED_HOSTS or ['localhost'])[0]}"]
    return origin + reverse("admin:webhooks_alert_change", args=[alert.pk])


@transaction.atomic
def _judge(rule: Alert.Rule, judge: Callable[[Vitals], Finding | None], vitals: Vitals) -> None:
    """Judge a rule and follow its alert. Whoever comes while another process does that leaves it to that one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [LOCK, rule])
        [is_mine] = cursor.fetchone()
    if is_mine:
        _follow(rule, judge(vitals), vitals.at)


def _follow(rule: Alert.Rule, finding: Finding | None, now: datetime) -> None:
    alert = Alert.objects.open().filter(rule=rule).select_for_update().first()
    if finding and alert:
        _go_on(alert, finding, now)
    elif finding:
        _open(rule, finding, now)
    elif alert:
        _calm_down(alert, now)


def _open(rule: Alert.Rule, finding: Finding, now: datetime) -> None:
    known = {"summary": finding.summary, "value": finding.value, "facts": finding.facts, "seen_at": now}
    last = Alert.objects.filter(rule=rule, resolved_at__gt=now - BACK_WITHIN, resolved_by=None).first()
    if last:
        Alert.objects.filter(pk=last.pk).update(
            **known, resolved_at=None, well_since=None, times_back=last.times_back + 1
        )
        return
    alert = Alert.objects.create(rule=rule, opened_at=now, told_value=finding.value, worst_value=finding.value, **known)
    tell(alert, What.OPENED)


def _go_on(alert: Alert, finding: Finding, now: datetime) -> None:
    alert.summary, alert.value, alert.facts = finding.summary, finding.value, finding.facts
    alert.worst_value = max(alert.worst_value, finding.value)
    alert.seen_at, alert.well_since = now, None
    if not alert.is_quiet(now):
        _tell_if_news(alert, now)
    alert.save()


def _tell_if_news(alert: Alert, now: datetime) -> None:
    """Tell that it is much worse, or that it is back for long although it was said to be over."""
    if alert.value >= WORSE * alert.told_value:
        what = What.WORSE
    elif _is_said_to_be_over(alert, since=now - BACK_WITHIN):
        what = What.OPENED
    else:
        return
    alert.told_value = alert.value
    tell(alert, what)


def _calm_down(alert: Alert, now: datetime) -> None:
    if alert.well_since is None:
        alert.well_since = now
    elif now - alert.well_since >= WELL_FOR:
        alert.resolved_at = now
        if not _is_said_to_be_over(alert, since=now):
            tell(alert, What.RESOLVED)
    alert.save()


def _is_said_to_be_over(alert: Alert, *, since: datetime) -> bool:
    """Return whether the last thing that was told is that it is over, and that not after `since`."""
    last = alert.notices.order_by("pk").last()
    return last is not None and last.what == What.RESOLVED and last.due_at <= since


def _claim(notice: Notice) -> bool:
    """Count an attempt and plan the next one, unless another process was quicker; whoever is killed now has only tried."""
    mine = Notice.objects.filter(pk=notice.pk, sent_at=None, attempts=notice.attempts)
    return bool(mine.update(attempts=F("attempts") + 1, due_at=timezone.now() + RETRY_AFTER))


def _send(url: str, notice: Notice) -> str:
    """Send one notice; return what went wrong, or "". The address holds secrets and is never told."""
    title = f"[{notice.get_what_display()}] {notice.alert}"
    kinds = {What.OPENED: apprise.NotifyType.WARNING, What.WORSE: apprise.NotifyType.FAILURE}
    try:
        channel = apprise.Apprise()
        if not channel.add(url):
            return "Apprise cannot read the address; see ALERT_URLS."
        body = f"{notice.alert.summary}\n\n{link_to(notice.alert)}"
        kind = kinds.get(What(notice.what), apprise.NotifyType.SUCCESS)
        return "" if channel.notify(body=body, title=title, notify_type=kind) else "The channel refused it."
    except Exception as error:  # noqa: BLE001  # whatever a channel does, the next one is told
        return f"{type(error).__name__}"
