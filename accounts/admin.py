"""People and sessions in the Django admin. Clerk owns what is shown here, so it is changed there."""

from django.contrib import admin

from accounts.models import EndedSession, User
from audit.admin import ReadOnlyAdmin


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    """People known to Clerk, tombstones of them, and local operators."""

    list_display = ("display_name", "email", "roles", "is_active", "created_at")
    list_filter = ("is_active", "banned", "is_superuser")
    search_fields = ("=clerk_id", "^email", "^username", "^name")
    fields = (
        *("name", "username", "email", "email_verified_at", "roles", "clerk_id"),
        *("is_active", "banned", "deleted_at", "login", "is_superuser", "last_login"),
        *("clerk_roles", "clerk_updated_at", "created_at"),
    )


@admin.register(EndedSession)
class EndedSessionAdmin(ReadOnlyAdmin):
    """Sessions whose tokens are refused although they have not expired."""

    list_display = ("session_id", "clerk_id", "ended_at")
    search_fields = ("=session_id", "=clerk_id")
