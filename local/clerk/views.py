"""The stand-in's pages: people, deliveries, and trouble."""

import unicodedata
from contextlib import nullcontext
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from local.clerk import deliveries, users
from local.clerk.api import actor
from local.clerk.forms import MOST_EMAILS, ROLES, TroubleForm, UserForm
from local.clerk.models import Message, Trouble, User

MOST_USERS = 200
MESSAGES_ON_PAGE = 50
MESSAGES_OF_USER = 5


def surroundings(request: HttpRequest) -> dict[str, Any]:
    """What every page names: the product beside this stand-in, and where events go."""
    return {"app_url": settings.APP_URL, "webhook_url": settings.WEBHOOK_URL}


@require_safe
def user_list(request: HttpRequest) -> HttpResponse:
    """List people, newest first."""
    query = request.GET.get("q", "").replace("\x00", "").strip()
    words = _folded(query).split()[:5]
    # Compared here, because SQLite knows the case of ASCII letters only; there are few people.
    found = [person for person in User.objects.all() if all(word in _searched(person) for word in words)]
    return render(request, "localclerk/user_list.html", {"users": found[:MOST_USERS], "query": query})


@require_http_methods(["GET", "HEAD", "POST"])
def user_create(request: HttpRequest) -> HttpResponse:
    """Sign somebody up."""
    person = User(public_metadata={"roles": ["BUILDER"]})
    form = UserForm(_form_data(request.POST, person), instance=person) if request.method == "POST" else None
    if form is None or not form.is_valid():
        return _form_page(request, person, form)
    users.create(form.save(commit=False), actor(request))
    messages.success(request, f"{person} signed up, and user.created is on its way.")
    return redirect("user", person.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def user(request: HttpRequest, user_id: str) -> HttpResponse:
    """Show and change somebody."""
    # Under the lock from reading to writing, when there is something to write.
    with transaction.atomic() if request.method == "POST" else nullcontext():
        return _user(request, get_object_or_404(User, pk=user_id))


def _user(request: HttpRequest, person: User) -> HttpResponse:
    form = UserForm(_form_data(request.POST, person), instance=person) if request.method == "POST" else None
    if form is None or not form.is_valid():
        return _form_page(request, person, form)
    if users.update(form.save(commit=False), actor(request)):
        messages.success(request, "Saved, and user.updated is on its way.")
    else:
        messages.info(request, "Nothing changed, so no event was sent.")
    return redirect("user", person.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def user_delete(request: HttpRequest, user_id: str) -> HttpResponse:
    """Ask whether to delete somebody, then do it."""
    person = get_object_or_404(User, pk=user_id)
    if request.method != "POST":
        return render(request, "localclerk/user_delete.html", {"person": person})
    users.delete(person, actor(request))
    messages.success(request, f"{person} is deleted, and user.deleted is on its way.")
    return redirect("users")


@require_safe
def delivery_list(request: HttpRequest) -> HttpResponse:
    """List deliveries, newest first; `?before=` continues below a moment."""
    found = Message.objects.prefetch_related("attempts")
    before = _moment(request.GET.get("before", ""))
    if before:
        found = found.filter(created_at__lt=before)
    page = list(found[: MESSAGES_ON_PAGE + 1])
    more = page[MESSAGES_ON_PAGE - 1].created_at.isoformat() if len(page) > MESSAGES_ON_PAGE else ""
    context = {"deliveries": page[:MESSAGES_ON_PAGE], "more": more, "held": Message.objects.held().count()}
    return render(request, "localclerk/delivery_list.html", context)


@require_POST
def delivery_send(request: HttpRequest, message_id: str) -> HttpResponse:
    """Deliver once more, now."""
    deliveries.send_again(get_object_or_404(Message, pk=message_id))
    messages.success(request, f"{message_id} is on its way again.")
    return redirect("deliveries")


@require_POST
def release(request: HttpRequest) -> HttpResponse:
    """Let go of what is held back."""
    messages.success(request, f"{deliveries.release_held()} events are on their way, in random order.")
    return redirect("deliveries")


@require_http_methods(["GET", "HEAD", "POST"])
def trouble(request: HttpRequest) -> HttpResponse:
    """Choose the trouble that deliveries are given."""
    form = TroubleForm(request.POST or None, instance=Trouble.current())
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Saved. It counts for events from now on.")
        return redirect("trouble")
    return render(request, "localclerk/trouble.html", {"form": form})


def _form_page(request: HttpRequest, person: User, form: UserForm | None) -> HttpResponse:
    """Show the form with what is stored, or with what was typed and what is wrong with it."""
    typed = form is not None
    data = _form_data(request.POST, person) if typed else None
    emails = data["emails"] if data else [_email_row(person, email) for email in person.emails]
    context = {
        "person": person,
        "is_new": person._state.adding,
        "errors": form.errors if form else {},
        "values": data or person,
        "emails": [*emails, {"address": "", "verified": True, "primary": not emails}][:MOST_EMAILS],
        "roles": [(role, label, role in (data["roles"] if data else person.roles)) for role, label in ROLES],
        "deliveries": Message.objects.filter(user_id=person.pk).prefetch_related("attempts")[:MESSAGES_OF_USER],
    }
    return render(request, "localclerk/user_form.html", context, status=422 if typed else 200)


def _email_row(person: User, email: dict[str, Any]) -> dict[str, Any]:
    return {**email, "primary": email["id"] == person.primary_email_id}


def _form_data(post: QueryDict, person: User) -> dict[str, Any]:
    """Return what the page's fields say, in the form that the JSON API takes."""
    names = ("first_name", "last_name", "username", "phone", "banned", "locked")
    verified, primary = post.getlist("verified"), post.get("primary")
    emails = [
        {"address": address.strip(), "verified": str(row) in verified, "primary": str(row) == primary}
        for row, address in enumerate(post.getlist("address"))
        if address.strip()
    ]
    known = {role for role, _ in ROLES}
    # Roles that this page does not offer are somebody's business; they stay.
    roles = [role for role in person.roles if role not in known] + [r for r in post.getlist("roles") if r in known]
    metadata = {**person.public_metadata, "roles": roles}
    data: dict[str, Any] = {name: post.get(name, "") for name in names}
    return data | {"emails": emails, "roles": roles, "public_metadata": metadata}


def _searched(person: User) -> str:
    addresses = (email["address"] for email in person.emails)
    return _folded(" ".join([person.first_name, person.last_name, person.username, person.id, *addresses]))


def _folded(text: str) -> str:
    """Return `text` without accents and case."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


def _moment(text: str) -> Any:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None
