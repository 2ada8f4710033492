"""Django admin pages for legal texts. Admins publish new versions, and cannot change or delete published versions."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.admin.access import may_repair
from accounts.legal import services, texts
from accounts.legal.forms import LANGUAGES, PublicationForm
from accounts.legal.services import PublicationError
from accounts.models import Agreement, LegalVersion
from audit.log import Actor
from core.admin.read_only import ReadOnlyAdmin
from core.text import clean_paragraphs


@admin.register(LegalVersion)
class LegalVersionAdmin(ReadOnlyAdmin[LegalVersion]):
    """Published versions of the legal texts, and a form that publishes a new version."""

    change_list_template = "admin/accounts/legalversion/change_list.html"
    list_display = ("document", "number", "languages", "published_at", "published_by", "changes", "page")
    list_display_links = ("document", "number")
    list_filter = ("document",)
    list_select_related = ("published_by",)
    fields = ("document", "number", "languages", "published_at", "published_by", "changes", "page")
    readonly_fields = ("languages", "page")

    @admin.display(description=_("languages"))
    def languages(self, version: LegalVersion) -> str:
        return ", ".join(LANGUAGES.get(code, code) for code in version.texts)

    @admin.display(description=_("page"))
    def page(self, version: LegalVersion) -> SafeString:
        url = reverse("accounts:legal_version", args=[version.document, version.number])
        return format_html('<a href="{}">{}</a>', url, gettext("View page"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.publish)
        url = path("publish/<document:document>/", view, name="accounts_legalversion_publish")
        return [url, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"documents": list(LegalVersion.Document), "unpublished": texts.unpublished()}
        return super().changelist_view(request, (extra_context or {}) | context)

    def publish(self, request: HttpRequest, document: str) -> HttpResponse:
        """Edit the current text or the starting text, preview it, and publish it as a new version."""
        if not may_repair(request):
            raise PermissionDenied
        chosen = LegalVersion.Document(document)
        form = PublicationForm(request.POST or None, initial=_initial(chosen), label_suffix="")
        is_preview = "preview" in request.POST
        if form.is_valid() and not is_preview and self._publish(request, chosen, form):
            return redirect("admin:accounts_legalversion_changelist")
        context = {"title": gettext("Publish: %(document)s") % {"document": chosen.label}, "opts": self.opts}
        context |= {"form": form, "previews": _previews(form) if is_preview else []}
        page = "admin/accounts/legalversion/publish.html"
        return render(request, page, self.admin_site.each_context(request) | context)

    def _publish(self, request: HttpRequest, document: LegalVersion.Document, form: PublicationForm) -> bool:
        given, actor = form.cleaned_data, Actor.from_request(request)
        try:
            version = services.publish(
                document, form.texts, changes=given["changes"], based_on=given["based_on"], actor=actor
            )
        except PublicationError as error:
            form.add_error(None, str(error))
            return False
        self.message_user(request, gettext("Published: %(version)s.") % {"version": version}, messages.SUCCESS)
        return True


@admin.register(Agreement)
class AgreementAdmin(ReadOnlyAdmin[Agreement]):
    """Which user agreed to which version, and when."""

    list_display = ("user", "version", "source", "agreed_at")
    list_filter = ("source",)
    list_select_related = ("user", "version")
    search_fields = ("=user__clerk_id", "^user__email")


def _initial(document: LegalVersion.Document) -> dict[str, Any]:
    """Return the current texts, or the starting text, as the initial values of the form."""
    current = LegalVersion.objects.filter(document=document).order_by("-number").first()
    found = current.texts if current else {texts.STARTING_LANGUAGE: texts.starting_text(document)}
    return {f"text_{code}": text for code, text in found.items()} | {"based_on": current.number if current else 0}


def _previews(form: PublicationForm) -> list[dict[str, Any]]:
    """Return each posted text as HTML, including texts that cannot be published yet."""
    posted = {code: clean_paragraphs(form.data.get(f"text_{code}", "")) for code in LANGUAGES}
    found = {code: text for code, text in posted.items() if text}
    return [{"language": code, "name": LANGUAGES[code], "html": texts.render(text)} for code, text in found.items()]
