"""Versions of the legal texts, and the versions that each user agreed to. See accounts.legal."""

from typing import Any, NoReturn, Self

from django.conf import settings
from django.db import models
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

MAX_TEXT_LENGTH = 60_000


class LegalVersionQuerySet(models.QuerySet["LegalVersion"]):
    def current(self) -> Self:
        """Return the newest version of each document."""
        newest = LegalVersion.objects.order_by("document", "-number").distinct("document")
        return self.filter(pk__in=newest.values("pk"))

    def requiring_agreement(self) -> Self:
        return self.filter(document__in=LegalVersion.AGREED_TO)


class LegalVersion(models.Model):
    """A published version of a legal text. A database trigger rejects changes: see migration 0004_legal_texts."""

    class Document(models.TextChoices):
        TERMS = "terms", _("Terms of use")
        PRIVACY = "privacy", _("Privacy policy")
        CONTACT = "contact", _("Contact")

    #: The documents that users agree to.
    AGREED_TO = (Document.TERMS, Document.PRIVACY)

    document = models.CharField(_("document"), max_length=16, choices=Document)
    number = models.PositiveIntegerField(_("version"))
    texts = models.JSONField(help_text="Markdown by language code; see core.markdown. Missing languages fall back.")
    changes = models.CharField(
        _("what changed"), max_length=300, blank=True, help_text="Shown to users who agreed to an earlier version."
    )
    published_at = models.DateTimeField(_("published"), default=timezone.now)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("published by")
    )

    objects = LegalVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("legal text")
        verbose_name_plural = _("legal texts")
        ordering = ["document", "-number"]
        constraints = [
            # For the newest version and for the page of each version.
            models.UniqueConstraint(F("document"), F("number").desc(), name="accounts_legal_version_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.get_document_display()} {self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("Published versions cannot be changed. Publish a new version.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("Published versions cannot be deleted. Publish a new version.")


class Agreement(models.Model):
    """A user's agreement to a version."""

    class Source(models.TextChoices):
        SIGN_UP = "sign_up", _("Sign-up page")
        NOTICE = "notice", _("Notice on the account page")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="agreements", verbose_name=_("user")
    )
    version = models.ForeignKey(LegalVersion, models.PROTECT, related_name="agreements", verbose_name=_("version"))
    source = models.CharField(_("agreed on"), max_length=16, choices=Source)
    agreed_at = models.DateTimeField(_("agreed"), default=timezone.now)

    class Meta:
        verbose_name = _("agreement")
        verbose_name_plural = _("agreements")
        constraints = [models.UniqueConstraint(fields=["user", "version"], name="accounts_agreement_unique")]

    def __str__(self) -> str:
        return f"{self.user}, {self.version}"
