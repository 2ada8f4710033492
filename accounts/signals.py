"""What accounts tells the apps above it. Sent with `send`: a receiver that fails is a failed event."""

from django.dispatch import Signal

#: Synced fields of a live user were written. Arguments: user, changes ({field: (old, new)}), created (bool), origin.
user_synced = Signal()
#: A live user's effective roles changed. Arguments: user, added and removed (lists of role), actor (None is Clerk or the
#: system), origin.
user_roles_changed = Signal()
#: Clerk deleted a user that was live here. Arguments: user, origin.
user_deleted = Signal()
