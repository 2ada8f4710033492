"""App configurations: this project's own, and those of third-party apps that it customizes."""

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin import apps as admin_apps


class SiteConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        from config import checks, model_labels, own_names  # noqa: F401  # Importing checks registers them.

        model_labels.translate()
        own_names.keep()
        if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
            from config import telemetry

            telemetry.start()


class RecordingAdminConfig(admin_apps.AdminConfig):
    default = False  # of the package config
    default_site = "accounts.security.sign_ins.RecordingAdminSite"
