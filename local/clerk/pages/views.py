"""The pages for users, deliveries and fault injection."""

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

from local.clerk import users
from local.clerk.control_api import actor
from local.clerk.events import deliveries
from local.clerk.forms import MAX_EMAILS, ROLES, FaultInjectionForm, UserForm
from local.clerk.models import FaultInjection, Message, User

MAX_USERS = 200
MESSAGES_PER_PAGE = 50
RECENT_MESSAGES = 5


def urls(request: HttpRequest) -> dict[str, Any]:
    """Context processor with the URLs of the app and of its webhook endpoint."""
    return {"app_url": settings.APP_URL, "webhook_url": settings.WEBHOOK_URL}


@require_safe
def user_list(request: HttpRequest) -> HttpResponse:
    query = request.GET.get("q", "").replace("\x00", "").strip()
    words = _folded(query).split()[:5]
    # Filter in Python, because SQLite ignores the case of ASCII letters only. There are few users.
    found = [user for user in User.objects.all() if all(word in _search_text(user) for word in words)]
    return render(request, "localclerk/user_list.html", {"users": found[:MAX_USERS], "query": query})


@require_http_methods(["GET", "HEAD", "POST"])
def user_create(request: HttpRequest) -> HttpResponse:
    user = User(public_metadata={"roles": ["BUILDER"]})
    form = UserForm(_form_data(request.POST, user), instance=user) if request.method == "POST" else None
    if form is None or not form.is_valid():
        return _form_page(request, user, form)
    users.create(form.save(commit=False), actor(request))
    messages.success(request, f"{user} signed up. The user.created event is queued.")
    return redirect("user", user.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def user(request: HttpRequest, user_id: str) -> HttpResponse:
    # A POST request holds the lock while it reads and writes the user.
    with transaction.atomic() if request.method == "POST" else nullcontext():
        return _user(request, get_object_or_404(User, pk=user_id))


def _user(request: HttpRequest, user: User) -> HttpResponse:
    form = UserForm(_form_data(request.POST, user), instance=user) if request.method == "POST" else None
    if form is None or not form.is_valid():
        return _form_page(request, user, form)
    if users.update(form.save(commit=False), actor(request)):
        messages.success(request, "Changes saved. The user.updated event is queued.")
    else:
        messages.info(request, "There were no changes, so no event was sent.")
    return redirect("user", user.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def user_delete(request: HttpRequest, user_id: str) -> HttpResponse:
    user = get_object_or_404(User, pk=user_id)
    if request.method != "POST":
        return render(request, "localclerk/user_delete.html", {"user": user})
    users.delete(user, actor(request))
    messages.success(request, f"{user} deleted. The user.deleted event is queued.")
    return redirect("users")


@require_safe
def delivery_list(request: HttpRequest) -> HttpResponse:
    """List deliveries, newest first. `?before=TIMESTAMP` shows older deliveries."""
    found = Message.objects.prefetch_related("attempts")
    before = _parse_time(request.GET.get("before", ""))
    if before:
        found = found.filter(created_at__lt=before)
    page = list(found[: MESSAGES_PER_PAGE + 1])
    more = page[MESSAGES_PER_PAGE - 1].created_at.isoformat() if len(page) > MESSAGES_PER_PAGE else ""
    context = {"deliveries": page[:MESSAGES_PER_PAGE], "more": more, "held": Message.objects.held().count()}
    return render(request, "localclerk/delivery_list.html", context)


@require_POST
def delivery_send(request: HttpRequest, message_id: str) -> HttpResponse:
    deliveries.send_again(get_object_or_404(Message, pk=message_id))
    messages.success(request, f"{message_id} is queued again.")
    return redirect("deliveries")


@require_POST
def release(request: HttpRequest) -> HttpResponse:
    messages.success(request, f"{deliveries.release_held()} events are queued in random order.")
    return redirect("deliveries")


@require_http_methods(["GET", "HEAD", "POST"])
def fault_injection(request: HttpRequest) -> HttpResponse:
    form = FaultInjectionForm(request.POST or None, instance=FaultInjection.current())
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Changes saved. They apply to new events and requests.")
        return redirect("fault_injection")
    return render(request, "localclerk/fault_injection.html", {"form": form})


def _form_page(request: HttpRequest, user: User, form: UserForm | None) -> HttpResponse:
    """Render the form with the stored values, or with the submitted values and their errors."""
    is_submitted = form is not None
    data = _form_data(request.POST, user) if is_submitted else None
    emails = data["emails"] if data else [_email_row(user, email) for email in user.emails]
    context = {
        "user": user,
        "is_new": user._state.adding,
        "errors": form.errors if form else {},
        "values": data or user,
        "emails": [*emails, {"address": "", "verified": True, "primary": not emails}][:MAX_EMAILS],
        "roles": [(role, label, role in (data["roles"] if data else user.roles)) for role, label in ROLES],
        "deliveries": Message.objects.filter(user_id=user.pk).prefetch_related("attempts")[:RECENT_MESSAGES],
    }
    return render(request, "localclerk/user_form.html", context, status=422 if is_submitted else 200)


def _email_row(user: User, email: dict[str, Any]) -> dict[str, Any]:
    return {**email, "primary": email["id"] == user.primary_email_id}


def _form_data(post: QueryDict, user: User) -> dict[str, Any]:
    """Convert the form data to the JSON API's format."""
    names = ("first_name", "last_name", "username", "phone", "banned", "locked")
    verified, primary = post.getlist("verified"), post.get("primary")
    emails = [
        {"address": address.strip(), "verified": str(row) in verified, "primary": str(row) == primary}
        for row, address in enumerate(post.getlist("address"))
        if address.strip()
    ]
    offered = {role for role, _ in ROLES}
    # Keep roles that this page does not offer.
    roles = [role for role in user.roles if role not in offered] + [r for r in post.getlist("roles") if r in offered]
    metadata = {**user.public_metadata, "roles": roles}
    data: dict[str, Any] = {name: post.get(name, "") for name in names}
    return data | {"emails": emails, "roles": roles, "public_metadata": metadata}


def _search_text(user: User) -> str:
    emails = (email["address"] for email in user.emails)
    return _folded(" ".join([user.first_name, user.last_name, user.username, user.id, *emails]))


def _folded(text: str) -> str:
    """Return `text` without accents, in lower case."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


def _parse_time(text: str) -> Any:
    try:
        time = parse_datetime(text)
    except ValueError:
        return None
    return time if time and time.tzinfo else None
