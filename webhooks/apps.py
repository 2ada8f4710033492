from django.apps import AppConfig

from core.personal_data import register


class WebhooksConfig(AppConfig):
    name = "webhooks"

    def ready(self) -> None:
        from webhooks import checks, personal_data  # noqa: F401  # importing checks registers them

        register(personal_data)
