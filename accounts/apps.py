from django.apps import AppConfig, apps
from django.conf import settings

from core import redaction
from core.admin import verification
from core.personal_data import register


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import checks, personal_data, receivers  # noqa: F401  # importing checks registers them
        from accounts.clerk import schema_names
        from accounts.notifications import account_emails, kinds
        from accounts.roles import admin_mail
        from accounts.sessions.verification import check_verification

        receivers.connect()
        register(personal_data)
        kinds.register(*account_emails.KINDS, *admin_mail.KINDS)
        verification.register(check_verification)
        redaction.keep_names(schema_names.NAMES)
        redaction.keep_names(field.name for model in apps.get_models() for field in model._meta.get_fields())
        redaction.keep_names(field.attname for model in apps.get_models() for field in model._meta.concrete_fields)
        redaction.keep_names(name for name in dir(settings) if name.isupper())
