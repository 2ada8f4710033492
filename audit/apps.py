from django.apps import AppConfig
from django.db.models.signals import post_migrate

from core.db import indexes, timeouts  # noqa: F401  # importing indexes registers its check
from core.personal_data import register


class AuditConfig(AppConfig):
    name = "audit"

    def ready(self) -> None:
        from audit import checks, personal_data  # noqa: F401  # importing checks registers them

        register(personal_data)
        # Registered here, because core is not an app and audit is the lowest app.
        post_migrate.connect(timeouts.set_role_defaults, sender=self, dispatch_uid="timeouts")
