"""Request counts per client, used by config.middleware.request_limits."""

from django.db import models


class RequestCount(models.Model):
    """A client's requests counted against one limit in the current period. See accounts.security.request_counts."""

    limit = models.CharField(max_length=32)
    client = models.CharField(max_length=32, help_text="Keyed hash of a Clerk ID or network.")
    requests = models.PositiveIntegerField()
    ends_at = models.DateTimeField(help_text="When the time span ends and the count starts again.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["limit", "client"], name="accounts_request_count_unique")]

    def __str__(self) -> str:
        return f"{self.limit} {self.client}: {self.requests}"
