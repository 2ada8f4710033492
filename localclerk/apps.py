from django.apps import AppConfig


class LocalClerkConfig(AppConfig):
    name = "localclerk"
    default_auto_field = "django.db.models.BigAutoField"
