from django.apps import AppConfig, apps
from django.conf import settings

from core import quoted_names
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
        quoted_names.keep_names(schema_names.NAMES)
        models = apps.get_models()
        quoted_names.keep_names(field.name for model in models for field in model._meta.get_fields())
        quoted_names.keep_names(field.attname for model in models for field in model._meta.concrete_fields)
        quoted_names.keep_names(
            f"{model.__name__}.{field.name}" for model in models for field in model._meta.get_fields()
        )
        quoted_names.keep_names(name for model in models for name in (model.__name__, model._meta.db_table))
        quoted_names.keep_names(name for name in dir(settings) if name.isupper())
