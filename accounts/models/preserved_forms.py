"""Forms that are preserved until the user signs in again."""

from django.db import models


class PreservedForm(models.Model):
    """A form that was posted with an expired session token. See accounts.sessions.preserved_forms."""

    clerk_id = models.CharField(max_length=64, help_text="Clerk ID from the expired token.")
    path = models.CharField(max_length=500, help_text="Path of the form's page.")
    fields = models.TextField(help_text="Submitted values, URL-encoded.")
    saved_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["clerk_id", "path"], name="accounts_preserved_form_unique")]

    def __str__(self) -> str:
        return f"{self.clerk_id} {self.path}"
