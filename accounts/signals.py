"""Signals for the apps that build on accounts.

They are sent with `send`, so an exception in a receiver fails the whole webhook event and rolls it back.
"""

from django.dispatch import Signal

#: Synced fields of an active user were written. Arguments: user, changes ({field: (old, new)}), created (bool), actor.
user_synced = Signal()
#: The effective roles of an active user changed. Arguments: user, added and removed (lists of roles), actor
#: (`audit.log.Actor`).
user_roles_changed = Signal()
#: A user got a password. Arguments: user, created (bool).
password_set = Signal()
