"""People. A row is owned by Clerk in its synced fields; `accounts.sync.apply.apply_user` is the only code that writes them."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class UserQuerySet(models.QuerySet["User"]):
    def live(self) -> "UserQuerySet":
        """People Clerk has not deleted; banned ones are among them."""
        return self.filter(deleted_at__isnull=True)


class UserManager(BaseUserManager["User"].from_queryset(UserQuerySet)):  # type: ignore[misc]
    def create_superuser(self, login: str, password: str | None = None, **fields: Any) -> "User":
        """Create a local operator, who signs in to the admin with a password when Clerk cannot be reached."""
        user = User(login=login, is_superuser=True, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser, PermissionsMixin):
    """A person known to Clerk, a tombstone of one, or a local operator without Clerk id."""

    class Role(models.TextChoices):
        CLIENT = "CLIENT", _("Client")
        BUILDER = "BUILDER", _("Builder")
        ADMIN = "ADMIN", _("Admin")

    login = models.CharField(
        max_length=150, null=True, blank=True, help_text="For local operators only: the name to sign in with."
    )

    # Written by accounts.sync.apply.apply_user.
    clerk_id = models.CharField(max_length=64, null=True, blank=True, editable=False)
    # Neither is unique: an address or name can move between people while events are under way.
    email = models.EmailField(null=True, blank=True)
    username = models.CharField(max_length=150, blank=True)
    email_verified_at = models.DateTimeField(null=True, blank=True)
    name = models.CharField(max_length=200, blank=True)
    image_url = models.URLField(max_length=2000, blank=True)
    banned = models.BooleanField(default=False)
    roles = ArrayField(models.CharField(max_length=16, choices=Role), default=list, blank=True)
    #: The roles of the newest payload that named any; None while none has.
    clerk_roles = ArrayField(models.CharField(max_length=16, choices=Role), null=True, blank=True, editable=False)
    #: What Clerk holds of the facts that are ours, by the newest payload; see accounts.sync.outbox.
    clerk_metadata = models.JSONField(default=dict, blank=True, editable=False)
    clerk_created_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Written by accounts.role_changes.change_roles, until Clerk has them.
    roles_added = ArrayField(models.CharField(max_length=16, choices=Role), default=list, blank=True, editable=False)
    roles_removed = ArrayField(models.CharField(max_length=16, choices=Role), default=list, blank=True, editable=False)
    is_active = models.BooleanField(default=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    #: `data.updated_at` of the payload that wrote the synced fields.
    clerk_updated_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: What the next payload is compared with; see accounts.clerk.payloads.ClerkUser.version.
    clerk_version = models.CharField(max_length=128, blank=True, editable=False)
    clerk_roles_version = models.CharField(max_length=128, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    deletion_due_at = models.DateTimeField(
        null=True, blank=True, help_text="When the account is deleted, as asked for."
    )
    erased_at = models.DateTimeField(null=True, blank=True, help_text="Since when nobody can tell who this was.")

    USERNAME_FIELD = "login"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = UserManager()

    class Meta:
        indexes = [
            # Who else has the address of somebody new.
            models.Index(Lower("email"), name="accounts_user_email"),
            # Who signed up in the time that a page of Clerk's list covers.
            models.Index(
                fields=["clerk_created_at"], name="accounts_user_signed_up", condition=Q(deleted_at__isnull=True)
            ),
        ]
        constraints = [
            # Identity is the Clerk id, and nothing else is.
            models.UniqueConstraint(fields=["clerk_id"], name="accounts_user_clerk_id_unique"),
            models.UniqueConstraint(fields=["login"], name="accounts_user_login_unique"),
            models.CheckConstraint(
                condition=Q(is_active=False) | Q(deleted_at__isnull=True, banned=False),
                name="accounts_user_inactive_if_gone",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.username or self.login or self.clerk_id or "?"

    @property
    def display_name(self) -> str:
        """The name to show: first and last name, else the username, else a word for somebody without either."""
        return self.name or self.username or gettext("New member")

    def get_short_name(self) -> str:
        """Return what the admin greets with."""
        return str(self)

    @property
    def role_labels(self) -> list[str]:
        """The roles in words, for people."""
        return [str(self.Role(role).label) for role in self.roles]

    @property
    def is_staff(self) -> bool:
        """Whether the Django admin lets this person in: local operators, and whoever has the role ADMIN right now."""
        return self.is_active and (self.is_superuser or self.Role.ADMIN in self.roles)

    @property
    def is_provisional(self) -> bool:
        """Whether only a session token has told of this person, and Clerk itself not yet."""
        return self.clerk_id is not None and not self.clerk_version and self.deleted_at is None

    @property
    def has_pending_roles(self) -> bool:
        """Whether roles changed here that Clerk has not confirmed."""
        return bool(self.roles_added or self.roles_removed)

    def has_role(self, role: Role) -> bool:
        """Whether the person has `role` and may use it."""
        return self.is_active and role in self.roles
