"""Notes for colleagues on a user's page in the admin."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin.access import may_repair
from accounts.models import User, UserNote
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.admin.post_only import post_only
from core.forms import ParagraphsField

#: Notes on the user's page. The page of the notes shows all of them.
MAX_RECENT = 5


class NoteForm(forms.Form):
    text = ParagraphsField(
        max_length=2000, label=gettext_lazy("New note"), widget=forms.Textarea(attrs={"rows": 3, "cols": 60})
    )


class NotesMixin(admin.ModelAdmin[User]):
    """Add the page of a user's notes. Every request checks the permission again."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        delete = post_only(self.delete_note, back="../../")
        return [
            path("<path:object_id>/notes/", wrap(self.notes), name="accounts_user_notes"),
            path("<path:object_id>/notes/<int:note_id>/remove/", wrap(delete), name="accounts_user_note_delete"),
            *super().get_urls(),
        ]

    def notes(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self._user(request, object_id)
        form = NoteForm(request.POST if request.method == "POST" else None, label_suffix="")
        if form.is_valid():
            _add(request, user, form.cleaned_data["text"])
            return redirect("admin:accounts_user_change", user.pk)
        context = {"title": _("Notes for colleagues"), "person": user, "opts": self.opts}
        context |= {"notes": user.notes.select_related("author"), "note_form": form}
        return render(request, "admin/accounts/user/notes.html", self.admin_site.each_context(request) | context)

    def delete_note(self, request: HttpRequest, object_id: str, note_id: int) -> HttpResponse:
        """Delete a note of the signed-in admin."""
        user = self._user(request, object_id)
        note = get_object_or_404(UserNote, pk=note_id, user=user)
        if note.author_id != request.user.pk:
            raise PermissionDenied
        with transaction.atomic():
            note.delete()
            log.record(AuditLog.Action.USER_NOTE_DELETED, actor=Actor.from_request(request), target=user)
        messages.success(request, _("Note deleted."))
        return redirect("admin:accounts_user_change", user.pk)

    def _user(self, request: HttpRequest, object_id: str) -> User:
        if not may_repair(request):
            raise PermissionDenied
        user = self.get_object(request, object_id)
        if user is None:
            raise Http404
        return user


def recent_notes(object_id: int) -> dict[str, Any]:
    """Return the template context for the newest notes about a user."""
    found = list(UserNote.objects.filter(user=object_id).select_related("author")[: MAX_RECENT + 1])
    return {
        "notes": found[:MAX_RECENT],
        "has_more_notes": len(found) > MAX_RECENT,
        "note_form": NoteForm(label_suffix=""),
    }


@transaction.atomic
def _add(request: HttpRequest, user: User, text: str) -> None:
    """Add a note, unless the user's data has been erased. The row is locked, so that an erasure waits or is noticed."""
    locked = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if locked.erased_at:
        messages.error(request, _("The note was not saved, because the personal data of this user has been erased."))
        return
    UserNote.objects.create(user=locked, author_id=request.user.pk, text=text)
    # The audit log is permanent, so the text is only in the note, which its author can delete.
    log.record(AuditLog.Action.USER_NOTE_ADDED, actor=Actor.from_request(request), target=locked)
    messages.success(request, _("Note saved."))
