from django.apps import AppConfig

from core.personal_data import register


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import checks, personal_data, receivers  # noqa: F401  # importing checks registers them

        receivers.connect()
        register(personal_data)
