"""Open conflicts that simultaneous events missed.

Two sign-ups with the same email, or two changes to the same email, can be applied at the same time. Neither transaction
sees the other's account, so neither opens a conflict. A job compares recently changed emails again, so that webhooks
need no extra queries.
"""

from collections import defaultdict
from datetime import timedelta

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from accounts.sync import matching
from audit.log import Actor
from audit.models import AuditLog

#: Several times the interval of the job and the longest transaction.
LOOK_BACK = timedelta(minutes=30)
#: Maximum number of accounts that one call compares. Reconciliation finds the conflicts of the others.
MAX_ACCOUNTS = 5000

#: Pairs of a Clerk user and another account with the same email, one of which got its email recently. The newer Clerk
#: user comes first. One email must be verified. Uses the indexes audit_log_time and accounts_user_email.
_PAIRS = """
WITH recent AS MATERIALIZED (
    SELECT DISTINCT subject_id FROM (
        SELECT subject_id FROM audit_auditlog
        WHERE timestamp > %s AND action = ANY(%s) AND changed_fields && '{email,email_verified_at}'
        ORDER BY timestamp DESC LIMIT %s
    ) changed
), pairs AS (
    SELECT one.id AS one, two.id AS two FROM recent
    JOIN accounts_user one ON one.id = recent.subject_id
    JOIN accounts_user two ON lower(two.email) = lower(one.email) AND two.id <> one.id
    WHERE one.is_active AND two.is_active AND (one.email_verified_at IS NOT NULL OR two.email_verified_at IS NOT NULL)
)
SELECT DISTINCT person.id, other.id
FROM pairs
JOIN accounts_user person ON person.id IN (pairs.one, pairs.two)
JOIN accounts_user other ON other.id IN (pairs.one, pairs.two) AND other.id <> person.id
WHERE person.clerk_id IS NOT NULL AND (other.clerk_id IS NULL OR other.id < person.id)
  AND NOT EXISTS (
      SELECT FROM accounts_identityconflict known
      WHERE (known.user_id, known.other_id) IN ((person.id, other.id), (other.id, person.id))
        AND known.state <> 'obsolete' AND (known.kind <> 'possible' OR known.state = 'kept')
  )
ORDER BY person.id, other.id LIMIT 1000
"""
_ACTIONS = [AuditLog.Action.USER_CREATED, AuditLog.Action.USER_UPDATED, AuditLog.Action.IDENTITY_LINKED]


def open_late_conflicts(actor: Actor) -> int:
    """Open conflicts between active users who share a verified email and have no conflict. Return how many were opened."""
    with connection.cursor() as cursor:
        cursor.execute(_PAIRS, [timezone.now() - LOOK_BACK, _ACTIONS, MAX_ACCOUNTS])
        pairs = cursor.fetchall()
    others_of: dict[int, list[int]] = defaultdict(list)
    for person, other in pairs:
        others_of[person].append(other)
    return sum(_open(person, others, actor) for person, others in others_of.items())


@transaction.atomic
def _open(person: int, others: list[int], actor: Actor) -> int:
    """Lock the accounts, and open conflicts with those that still have the email."""
    pks = [person, *others]
    accounts = {u.pk: u for u in User.objects.select_for_update(no_key=True).filter(pk__in=pks).order_by("pk")}
    user = accounts.pop(person)
    same = [other for other in accounts.values() if (other.email or "").lower() == (user.email or "").lower()]
    return matching.open_conflicts(user, same, actor) if user.email else 0
