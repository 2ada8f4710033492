"""Pagination, order and filters of the Backend API's list of users."""

from functools import reduce
from operator import or_

from django.db.models import Model, Q, QuerySet
from django.http import QueryDict

from local.clerk.models import User

#: Per page.
MAX_USERS = 500
ORDERS = {"created_at": "created_ms", "updated_at": "updated_ms"}


class InvalidQuery(Exception):
    """A query parameter is invalid. The message contains the reason."""


def page(query: QueryDict) -> QuerySet[User]:
    """Return the users selected by `limit`, `order_by`, `starting_after`, `offset` and the filters.

    Raises:
        InvalidQuery: Clerk would reject a parameter.
        DoesNotExist: no user has the id in `starting_after`.
    """
    limit, offset = (number(query, name, default) for name, default in (("limit", 10), ("offset", 0)))
    order = query.get("order_by", "-created_at").lstrip(" ")  # an unencoded plus sign in a URL is a space
    field, after = ORDERS.get(order.lstrip("+-")), query.get("starting_after", "")
    if not 1 <= limit <= MAX_USERS or offset < 0 or field is None:
        raise InvalidQuery(
            f"limit must be 1 to {MAX_USERS}, offset must not be negative, order_by must be one of {', '.join(ORDERS)}."
        )
    if after and (offset or field != "created_ms"):
        raise InvalidQuery("starting_after can be combined only with the order created_at, and not with an offset.")
    return _ordered(filtered(query), field, after, newest_first=order.startswith("-"))[offset : offset + limit]


def part[Row: Model](rows: QuerySet[Row], query: QueryDict) -> QuerySet[Row]:
    """Return the rows selected by `limit` and `offset`. See `page`."""
    limit, offset = (number(query, name, default) for name, default in (("limit", 10), ("offset", 0)))
    if not 1 <= limit <= MAX_USERS or offset < 0:
        raise InvalidQuery(f"limit must be 1 to {MAX_USERS}, and offset must not be negative.")
    return rows[offset : offset + limit]


def filtered(query: QueryDict) -> QuerySet[User]:
    """Return the users selected by `user_id`, `email_address` and `query`."""
    users = User.objects.all()
    if ids := _values(query, "user_id"):
        users = users.filter(pk__in=ids)
    if emails := _values(query, "email_address"):
        # Search in the JSON text, because SQLite cannot query lists in JSON.
        users = users.filter(reduce(or_, [Q(emails__icontains=f'"{email}"') for email in emails]))
    if words := query.get("query", "").replace("\x00", ""):
        users = users.filter(Q(first_name__icontains=words) | Q(last_name__icontains=words) | Q(pk=words))
    return users


def _values(query: QueryDict, name: str) -> list[str]:
    return [value.replace("\x00", "") for key in (name, f"{name}[]") for value in query.getlist(key)]


def number(query: QueryDict, name: str, default: int) -> int:
    text = query.get(name, "") or str(default)
    try:
        return int(text) if len(text) < 10 else -1
    except ValueError:
        raise InvalidQuery(f"{name} must be a whole number.") from None


def _ordered(users: QuerySet[User], field: str, after: str, *, newest_first: bool) -> QuerySet[User]:
    """Return the users in sort order, starting after the user with the ID `after`."""
    sign, comparison = ("-", "lt") if newest_first else ("", "gt")
    users = users.order_by(f"{sign}{field}", f"{sign}id")
    if not after:
        return users
    last = User.objects.get(pk=after)
    same_time = Q(created_ms=last.created_ms, **{f"id__{comparison}": last.pk})
    # SQLite uses the index only for a condition outside of OR.
    users = users.filter(**{f"created_ms__{comparison}e": last.created_ms})
    return users.filter(Q(**{f"created_ms__{comparison}": last.created_ms}) | same_time)
