"""The user model. Clerk owns the synced fields, and only `accounts.sync.apply.apply_user` writes them."""

from typing import Any, ClassVar, override

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import signals


class UserQuerySet(models.QuerySet["User"]):
    def live(self) -> "UserQuerySet":
        """Return users who have not been deleted in Clerk, including banned users."""
        return self.filter(deleted_at__isnull=True)


class _OperatorManager(BaseUserManager["User"]):
    def create_superuser(self, login: str, password: str | None = None, **fields: Any) -> "User":
        """Create a local operator, who can sign in to the admin with a password when Clerk is unreachable."""
        user = User(login=login, is_superuser=True, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


UserManager = _OperatorManager.from_queryset(UserQuerySet)


class User(AbstractBaseUser, PermissionsMixin):
    """A Clerk user, a deleted user's tombstone, or a local operator without a Clerk ID."""

    class Role(models.TextChoices):
        CLIENT = "CLIENT", _("Client")
        BUILDER = "BUILDER", _("Builder")
        ADMIN = "ADMIN", _("Admin")

    #: Roles that users can add or remove for themselves.
    SELF_SERVICE_ROLES = frozenset({Role.CLIENT, Role.BUILDER})

    class Inactive(models.TextChoices):
        """The reasons why an account is inactive. Several reasons can apply at once."""

        DELETED = "deleted", _("Account deleted")
        BANNED = "banned", _("Account banned")
        MOVED = "moved", _("Account inactive")

        @property
        def explanation(self) -> str:
            return {
                self.DELETED: gettext("The account was deleted in Clerk."),
                self.BANNED: gettext("The account is banned in Clerk."),
                self.MOVED: gettext("An admin has moved the Clerk identity of this account to another account."),
            }[self]

    login = models.CharField(max_length=150, null=True, blank=True, help_text="Sign-in name. Only for local operators.")

    # Written by accounts.sync.apply.apply_user.
    clerk_id = models.CharField(max_length=64, null=True, blank=True, editable=False)
    # Not unique, because an email or username can move to another user while events are still in flight.
    email = models.EmailField(null=True, blank=True)
    username = models.CharField(max_length=150, blank=True)
    email_verified_at = models.DateTimeField(null=True, blank=True)
    name = models.CharField(max_length=200, blank=True)
    image_url = models.URLField(max_length=2000, blank=True)
    banned = models.BooleanField(default=False)
    #: A locked user cannot start new sessions in Clerk. The user stays active here.
    locked = models.BooleanField(default=False, db_default=False)
    roles = ArrayField(models.CharField(max_length=16, choices=Role), default=list, blank=True)
    #: Roles from the latest payload with roles, or None if no payload has contained roles.
    clerk_roles = ArrayField(models.CharField(max_length=16, choices=Role), null=True, blank=True, editable=False)
    #: Our metadata keys in the latest payload. See accounts.sync.outbox.
    clerk_metadata = models.JSONField(default=dict, blank=True, editable=False)
    clerk_created_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Role changes that Clerk has not confirmed yet. Set by accounts.roles.services.change_roles.
    roles_added = ArrayField(models.CharField(max_length=16, choices=Role), default=list, blank=True, editable=False)
    roles_removed = ArrayField(models.CharField(max_length=16, choices=Role), default=list, blank=True, editable=False)
    #: Roles that memberships in organizations give. Set by accounts.organizations.roles.update_roles.
    organization_roles = ArrayField(
        models.CharField(max_length=16, choices=Role), default=list, db_default=[], blank=True, editable=False
    )
    is_active = models.BooleanField(default=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    #: `data.updated_at` from the payload that last wrote the synced fields.
    clerk_updated_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: Compared with the next payload's version. See accounts.clerk.payloads.ClerkUser.version.
    clerk_version = models.CharField(max_length=128, blank=True, editable=False)
    #: Versions of fields that were missing from the payload with `clerk_version`, or "" if no payload has contained
    #: them.
    clerk_field_versions = models.JSONField(default=dict, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    deletion_due_at = models.DateTimeField(null=True, blank=True, help_text="When the account will be deleted.")
    erased_at = models.DateTimeField(null=True, blank=True, help_text="When the personal data was erased.")

    USERNAME_FIELD = "login"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = UserManager()

    class Meta:
        indexes = [
            # For finding other accounts with a new user's email.
            models.Index(Lower("email"), name="accounts_user_email"),
            # For finding users who signed up in the period covered by one page of Clerk's list.
            models.Index(
                fields=["clerk_created_at"], name="accounts_user_signed_up", condition=Q(deleted_at__isnull=True)
            ),
        ]
        constraints = [
            # The Clerk ID is the only identity.
            models.UniqueConstraint(fields=["clerk_id"], name="accounts_user_clerk_id_unique"),
            models.UniqueConstraint(fields=["login"], name="accounts_user_login_unique"),
            models.CheckConstraint(
                condition=Q(is_active=False) | Q(deleted_at__isnull=True, banned=False),
                name="accounts_user_inactive_if_gone",
            ),
        ]

    @override
    def save(self, *args: Any, **kwargs: Any) -> None:
        """Send `password_set` after `set_password`, which commands and forms use."""
        created, has_new_password = self._state.adding, getattr(self, "_password", None) is not None
        if not has_new_password:
            super().save(*args, **kwargs)
            return
        with transaction.atomic():
            super().save(*args, **kwargs)
            signals.password_set.send(sender=User, user=self, created=created)

    def __str__(self) -> str:
        return self.name or self.username or self.login or self.clerk_id or "?"

    @property
    def display_name(self) -> str:
        """First and last name. Falls back to the username, then to "New member"."""
        return self.name or self.username or gettext("New member")

    @property
    def visible_image_url(self) -> str:
        """The image from Clerk, or "" if browsers would block it."""
        return self.image_url if self.image_url.startswith(f"{settings.CLERK_IMAGE_ORIGIN}/") else ""

    def get_short_name(self) -> str:
        return str(self)

    @property
    def role_labels(self) -> list[str]:
        return [str(self.Role(role).label) for role in self.roles]

    @property
    def inactive_reasons(self) -> list[Inactive]:
        """Every reason why the account is inactive. Empty if it is active."""
        reasons = [
            *([self.Inactive.DELETED] if self.deleted_at else []),
            *([self.Inactive.BANNED] if self.banned else []),
        ]
        return reasons if reasons or self.is_active else [self.Inactive.MOVED]

    @property
    def is_staff(self) -> bool:
        """Whether the user can open the Django admin. Only local operators and current admins can."""
        return self.is_active and (self.is_superuser or self.Role.ADMIN in self.roles)

    @property
    def is_provisional(self) -> bool:
        """Whether the user was created from a session token and Clerk has not sent any data yet."""
        return self.clerk_id is not None and not self.clerk_version and self.deleted_at is None

    @property
    def has_pending_roles(self) -> bool:
        return bool(self.roles_added or self.roles_removed)

    @property
    def is_builder(self) -> bool:
        return self.has_role(self.Role.BUILDER)

    def has_role(self, role: Role) -> bool:
        return self.is_active and role in self.roles
