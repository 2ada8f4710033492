from django.apps import AppConfig


class ProfilesConfig(AppConfig):
    name = "profiles"

    def ready(self) -> None:
        from profiles import checks, receivers  # noqa: F401  # importing checks registers them

        receivers.connect()
