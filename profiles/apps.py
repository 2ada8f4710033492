from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from core.personal_data import register

_EDIT = _("Sign in to edit this profile.")


class ProfilesConfig(AppConfig):
    name = "profiles"

    def ready(self) -> None:
        """Connect receivers and register extensions for apps that cannot import this one."""
        from accounts.extensions import extensions
        from accounts.notifications import kinds
        from profiles import (  # noqa: F401
            admin_links,
            audit_labels,
            checks,
            clerk_metadata,
            lifecycle,
            notifications,
            page_lookup,
            personal_data,
            receivers,
        )

        receivers.connect()
        register(personal_data)
        kinds.register(*notifications.KINDS)
        extensions.pushed_metadata = clerk_metadata.for_users
        extensions.outdated_state_sql = lifecycle.OUTDATED_PROFILES
        extensions.companies_sql = "SELECT user_id, company_name AS company FROM profiles_clientprofile"
        extensions.ensure_derived_state = lifecycle.ensure_profiles
        extensions.admin_links = admin_links.admin_links
        extensions.page_language = page_lookup.builder_page_language
        extensions.page_url = page_lookup.builder_page_url
        extensions.sign_in_heading = page_lookup.sign_in_heading
        extensions.home, extensions.welcome = "profiles:home", "profiles:welcome"
        extensions.field_labels |= audit_labels.field_labels()
        extensions.sign_in_reasons |= {
            "profiles:contact": _("Sign in or sign up to send this builder a message."),
            "profiles:welcome": _("Sign in or sign up to create your profile."),
            **dict.fromkeys(("profiles:section_update", "profiles:portrait"), _EDIT),
            **dict.fromkeys(("profiles:project_new", "profiles:project_update", "profiles:project_delete"), _EDIT),
            **dict.fromkeys(("profiles:gallery", "profiles:image_update", "profiles:image_order"), _EDIT),
        }
