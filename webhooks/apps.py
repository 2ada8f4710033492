from django.apps import AppConfig

from core.personal_data import register


class WebhooksConfig(AppConfig):
    name = "webhooks"

    def ready(self) -> None:
        from accounts.extensions import extensions
        from webhooks import checks, personal_data, receivers  # noqa: F401  # importing checks registers them
        from webhooks.user_events import has_event_since

        register(personal_data)
        receivers.connect()
        extensions.has_event_since = has_event_since
