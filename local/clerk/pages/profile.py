"""The pages on which users change their own account, like Clerk's Account Portal. They work without JavaScript."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from local.clerk import email_addresses, users
from local.clerk.control_api import actor
from local.clerk.email_addresses import AddressError
from local.clerk.forms import EmailForm, NameForm
from local.clerk.frontend_api import sessions
from local.clerk.models import Session, User


def own_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Pass the browser's session to the view, or say that the browser is signed out."""

    @never_cache
    @wraps(view)
    def wrapped(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        client = sessions.get_client(request)
        session = client.session if client else None
        if session is None:
            return render(request, "localclerk/profile_signed_out.html", status=401)
        try:
            return view(request, session, **kwargs)
        except AddressError as error:
            messages.error(request, str(error))
            return redirect("profile")

    return wrapped


@own_page
@require_safe
def profile(request: HttpRequest, session: Session) -> HttpResponse:
    return _profile_page(request, session)


@own_page
@require_POST
def name(request: HttpRequest, session: Session) -> HttpResponse:
    with transaction.atomic():
        user = User.objects.get(pk=session.user_id)
        form = NameForm(request.POST, instance=user)
        if form.is_valid():
            users.update(form.save(commit=False), actor(request))
            messages.success(request, "Name saved.")
            return redirect("profile")
    return _profile_page(request, session, name_form=form)


@own_page
@require_POST
def email_add(request: HttpRequest, session: Session) -> HttpResponse:
    form = EmailForm(request.POST)
    if form.is_valid():
        try:
            email_id = email_addresses.add(session.user_id, form.cleaned_data["address"], actor(request))
        except AddressError as error:
            form.add_error("address", str(error))
        else:
            return redirect("email_verify", email_id)
    return _profile_page(request, session, email_form=form)


@own_page
@require_http_methods(["GET", "HEAD", "POST"])
def email_verify(request: HttpRequest, session: Session, email_id: str) -> HttpResponse:
    """Ask for the code that was sent to an address."""
    email, error = email_addresses.find(session.user, email_id), ""
    if request.method == "POST":
        try:
            email_addresses.verify(session.user_id, email_id, request.POST.get("code", ""), actor(request))
        except AddressError as exception:
            error = str(exception)
        else:
            messages.success(request, f"{email['address']} is verified.")
            return redirect("profile")
    context = {"email": email, "error": error}
    return render(request, "localclerk/profile_verify.html", context, status=422 if error else 200)


@own_page
@require_POST
def email_code(request: HttpRequest, session: Session, email_id: str) -> HttpResponse:
    email_addresses.send_code(session.user_id, email_id, actor(request))
    messages.success(request, "A new code is in your mailbox.")
    return redirect("email_verify", email_id)


@own_page
@require_POST
def email_primary(request: HttpRequest, session: Session, email_id: str) -> HttpResponse:
    email_addresses.make_primary(session.user_id, email_id, actor(request))
    messages.success(request, "Primary email address changed.")
    return redirect("profile")


@own_page
@require_POST
def email_remove(request: HttpRequest, session: Session, email_id: str) -> HttpResponse:
    email_addresses.remove(session.user_id, email_id, actor(request))
    messages.success(request, "Email address removed.")
    return redirect("profile")


@own_page
@require_POST
def session_end(request: HttpRequest, session: Session, session_id: str) -> HttpResponse:
    ended = get_object_or_404(Session, pk=session_id, user=session.user_id)
    sessions.end(ended, Session.Status.REVOKED, actor(request))
    messages.success(request, "Signed out there.")
    return redirect("profile")


@own_page
@require_safe
def mailbox(request: HttpRequest, session: Session) -> HttpResponse:
    """Show the emails that Clerk would have sent to the user's addresses."""
    return render(request, "localclerk/mailbox.html", {"mails": session.user.mails.all()[:50]})


def _profile_page(
    request: HttpRequest, session: Session, *, name_form: NameForm | None = None, email_form: EmailForm | None = None
) -> HttpResponse:
    user = User.objects.get(pk=session.user_id)
    context = {
        "user": user,
        "session": session,
        "sessions": user.sessions.filter(status=Session.Status.ACTIVE),
        "name_form": name_form or NameForm(instance=user),
        "email_form": email_form or EmailForm(),
    }
    return render(request, "localclerk/profile.html", context, status=422 if name_form or email_form else 200)
