"""The page for the waitlist and invitations."""

from django import forms
from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from local.clerk import email_addresses, leads
from local.clerk.control_api import actor
from local.clerk.forms import EmailForm
from local.clerk.leads import LeadError
from local.clerk.models import Invitation, WaitlistEntry

MAX_ROWS = 200


class LeadForm(EmailForm):
    kind = forms.ChoiceField(choices=[("waitlist", "waitlist"), ("invitation", "invitation")])

    def clean(self) -> None:
        address, pending = self.cleaned_data.get("address", ""), Invitation.Status.PENDING
        if self.cleaned_data.get("kind") == "invitation" and address:
            if email_addresses.is_taken(address):
                raise forms.ValidationError("That email address is taken. Please try another.")
            if Invitation.objects.filter(address=address.casefold(), status=pending).exists():
                raise forms.ValidationError("There is already a pending invitation for this email address.")


@require_safe
def lead_list(request: HttpRequest) -> HttpResponse:
    context = {"entries": WaitlistEntry.objects.all()[:MAX_ROWS], "invitations": Invitation.objects.all()[:MAX_ROWS]}
    return render(request, "localclerk/lead_list.html", context)


@require_POST
def add(request: HttpRequest) -> HttpResponse:
    """Add an address to the waitlist, or invite it."""
    form = LeadForm(request.POST)
    if not form.is_valid():
        messages.error(request, next(str(error) for errors in form.errors.values() for error in errors))
    elif form.cleaned_data["kind"] == "waitlist":
        leads.join(form.cleaned_data["address"], actor(request))
        messages.success(request, f"{form.cleaned_data['address']} is on the waitlist.")
    else:
        leads.invite(form.cleaned_data["address"], {}, actor(request))
        messages.success(request, f"{form.cleaned_data['address']} is invited.")
    return redirect("leads")


@require_POST
def decide(request: HttpRequest, entry_id: str) -> HttpResponse:
    """Approve, reject or delete an entry."""
    change = leads.approve if request.POST.get("verb") == "invite" else leads.reject
    try:
        if request.POST.get("verb") == "delete":
            leads.delete(entry_id)
            messages.success(request, "The entry is deleted. Clerk documents no event about it.")
        else:
            entry = change(entry_id, actor(request))
            messages.success(request, f"{entry} is {entry.status}. The waitlistEntry.updated event is queued.")
    except ObjectDoesNotExist:
        raise Http404 from None
    except LeadError as error:
        messages.error(request, str(error))
    return redirect("leads")


@require_POST
def revoke(request: HttpRequest, invitation_id: str) -> HttpResponse:
    try:
        invitation = leads.revoke(invitation_id, actor(request))
        messages.success(request, f"{invitation} is revoked. The invitation.revoked event is queued.")
    except ObjectDoesNotExist:
        raise Http404 from None
    except LeadError as error:
        messages.error(request, str(error))
    return redirect("leads")
