"""Signals for apps that depend on accounts.

They are sent with `send`, so an exception in a receiver causes the whole webhook event to fail and be rolled back.
"""

from django.dispatch import Signal

#: An active user's synced fields were written. Arguments: user, changes ({field: (old, new)}), created (bool), actor.
user_synced = Signal()
#: An active user's effective roles changed. Arguments: user, added and removed (lists of roles), actor
#: (`audit.log.Actor`).
user_roles_changed = Signal()
#: A user got a password. Arguments: user, created (bool).
password_set = Signal()
