from django.apps import AppConfig

from core.personal_data import register


class AuditConfig(AppConfig):
    name = "audit"

    def ready(self) -> None:
        from audit import checks, personal_data  # noqa: F401  # importing checks registers them

        register(personal_data)
