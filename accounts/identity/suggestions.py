"""Suggest accounts that may belong to the same person although their emails differ.

A suggestion is a conflict of the kind POSSIBLE. It never changes an account and raises no alert. An admin joins the
accounts, keeps them separate or dismisses the suggestion.
"""

from django.db import connection, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.extensions import extensions
from accounts.models import IdentityConflict, User
from accounts.sync import matching
from audit.log import Actor
from core.db.statements import insert_if_new

#: New suggestions per run. The next run continues.
MAX_SUGGESTIONS = 200
#: Larger groups with the same values are ignored, because they are probably test accounts or share a common name.
MAX_ACCOUNTS = 4
#: Providers whose domains under different endings belong to different people.
PUBLIC_PROVIDERS = (
    *("aol", "duck", "fastmail", "free", "gmail", "gmx", "googlemail", "hey", "hotmail", "icloud", "laposte", "libero"),
    *("live", "mac", "mail", "me", "msn", "naver", "orange", "outlook", "proton", "protonmail", "qq", "rediffmail"),
    *("t-online", "web", "yahoo", "yandex", "ymail", "zoho", "163", "126"),
)
SIGNALS: dict[str, str | Promise] = {
    "name_and_local_part": _("Same name, and the same email address before the @"),
    "company_domain": _("Same email address before the @, at the same company domain with another ending"),
    "name_and_company": _("Same name and company"),
}

#: Each account with its keys. Accounts with an equal signal and key are suggested.
_PAIRS = """
WITH account AS MATERIALIZED (
    SELECT id, clerk_id, lower(name) AS name, lower(split_part(email, '@', 1)) AS local_part,
           lower(email) AS email, split_part(lower(split_part(email, '@', 2)), '.', 1) AS domain_label
    FROM accounts_user WHERE is_active
), key AS (
    SELECT 'name_and_local_part' AS signal, name || chr(10) || local_part AS value, id
    FROM account WHERE name <> '' AND local_part <> ''
    UNION ALL
    SELECT 'company_domain', local_part || chr(10) || domain_label, id
    FROM account WHERE local_part <> '' AND domain_label <> '' AND domain_label <> ALL(%s)
    UNION ALL
    SELECT 'name_and_company', account.name || chr(10) || lower(trim(company.company)), account.id
    FROM ({companies}) company JOIN account ON account.id = company.user_id
    WHERE account.name <> '' AND trim(company.company) <> ''
), alike AS (
    SELECT signal, value FROM key GROUP BY signal, value HAVING count(*) BETWEEN 2 AND %s
)
SELECT one.id, two.id, array_agg(DISTINCT first.signal ORDER BY first.signal)
FROM alike
JOIN key first ON first.signal = alike.signal AND first.value = alike.value
JOIN key second ON second.signal = alike.signal AND second.value = alike.value AND second.id <> first.id
JOIN account one ON one.id = first.id
JOIN account two ON two.id = second.id
WHERE one.clerk_id IS NOT NULL AND (two.clerk_id IS NULL OR two.id < one.id)
  AND one.email IS DISTINCT FROM two.email
  AND (first.signal <> 'company_domain' OR one.name = two.name OR one.name = '' OR two.name = '')
  AND NOT EXISTS (
      SELECT FROM accounts_identityconflict known
      WHERE (known.user_id, known.other_id) IN ((one.id, two.id), (two.id, one.id))
  )
GROUP BY one.id, two.id ORDER BY one.id, two.id LIMIT %s
"""


def suggest(actor: Actor) -> int:
    """Store new suggestions, and return how many. A pair that ever had a conflict is not suggested again."""
    with connection.cursor() as cursor:
        query = _PAIRS.format(companies=extensions.companies_sql)
        cursor.execute(query, [list(PUBLIC_PROVIDERS), MAX_ACCOUNTS, MAX_SUGGESTIONS])
        pairs = cursor.fetchall()
    accounts = User.objects.in_bulk({pk for one, two, _signals in pairs for pk in (one, two)})
    return sum(_open(accounts[one], accounts[two], signals, actor) for one, two, signals in pairs)


@transaction.atomic
def _open(user: User, other: User, signals: list[str], actor: Actor) -> bool:
    evidence = {"user": matching.snapshot(user), "other": matching.snapshot(other), "signals": signals}
    kind = IdentityConflict.Kind.POSSIBLE
    conflict = IdentityConflict(user=user, other=other, kind=kind, evidence=evidence)
    if not insert_if_new(conflict):
        return False
    matching.record_opened(conflict, actor)
    return True
