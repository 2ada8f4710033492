from django.apps import AppConfig


class LocalClerkConfig(AppConfig):
    name = "local.clerk"
    label = "localclerk"
    default_auto_field = "django.db.models.BigAutoField"
