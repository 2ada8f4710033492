"""The list of users as the Backend API gives it: in pages, in an order, filtered."""

from functools import reduce
from operator import or_

from django.db.models import Q, QuerySet
from django.http import QueryDict

from local.clerk.models import User

#: In one page.
MOST_USERS = 500
ORDERS = {"created_at": "created_ms", "updated_at": "updated_ms"}


class BadQuery(Exception):
    """The list cannot be given; the message says why."""


def page(query: QueryDict) -> QuerySet[User]:
    """Return the users that `limit`, `order_by`, `starting_after`, `offset` and the filters ask for.

    Raises:
        BadQuery: one of them is nothing that Clerk takes.
        DoesNotExist: nobody has the id in `starting_after`.
    """
    limit, offset = (_number(query, name, default) for name, default in (("limit", 10), ("offset", 0)))
    order = query.get("order_by", "-created_at").lstrip(" ")  # a plus sign in an address is a space
    field, after = ORDERS.get(order.lstrip("+-")), query.get("starting_after", "")
    if not 1 <= limit <= MOST_USERS or offset < 0 or field is None:
        raise BadQuery(f"limit is 1 to {MOST_USERS}, offset is not negative, order_by is one of {', '.join(ORDERS)}.")
    if after and (offset or field != "created_ms"):
        raise BadQuery("starting_after needs the order of created_at, and no offset.")
    return _ordered(filtered(query), field, after, newest_first=order.startswith("-"))[offset : offset + limit]


def filtered(query: QueryDict) -> QuerySet[User]:
    """Return the users that `user_id`, `email_address` and `query` ask for, or all."""
    found = User.objects.all()
    if ids := _several(query, "user_id"):
        found = found.filter(pk__in=ids)
    if addresses := _several(query, "email_address"):
        # Stored as JSON text, because SQLite has no way into a list.
        found = found.filter(reduce(or_, [Q(emails__icontains=f'"{address}"') for address in addresses]))
    if words := query.get("query", "").replace("\x00", ""):
        found = found.filter(Q(first_name__icontains=words) | Q(last_name__icontains=words) | Q(pk=words))
    return found


def _several(query: QueryDict, name: str) -> list[str]:
    return [value.replace("\x00", "") for key in (name, f"{name}[]") for value in query.getlist(key)]


def _number(query: QueryDict, name: str, default: int) -> int:
    text = query.get(name, "") or str(default)
    try:
        return int(text) if len(text) < 10 else -1
    except ValueError:
        raise BadQuery(f"{name} is a whole number.") from None


def _ordered(found: QuerySet[User], field: str, after: str, *, newest_first: bool) -> QuerySet[User]:
    """Return users in order, from behind the one with the id `after`."""
    sign, comparison = ("-", "lt") if newest_first else ("", "gt")
    found = found.order_by(f"{sign}{field}", f"{sign}id")
    if not after:
        return found
    last = User.objects.get(pk=after)
    same_moment = Q(created_ms=last.created_ms, **{f"id__{comparison}": last.pk})
    return found.filter(Q(**{f"created_ms__{comparison}": last.created_ms}) | same_moment)
