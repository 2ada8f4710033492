"""Forms that wait for their person."""

from django.db import models


class PreservedForm(models.Model):
    """A form that was posted with an expired session token, kept until its person is known again; see accounts.preserved_forms."""

    clerk_id = models.CharField(max_length=64, help_text="Whose expired token came with it.")
    path = models.CharField(max_length=500, help_text="The page of the form.")
    fields = models.TextField(help_text="What was typed, URL-encoded.")
    saved_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["clerk_id", "path"], name="accounts_preserved_form_unique")]

    def __str__(self) -> str:
        return f"{self.clerk_id} {self.path}"
