"""Signals for apps that depend on accounts.

They are sent with `send`, so an exception in a receiver rolls the transaction back, and a webhook event is stored as failed.
"""

from django.dispatch import Signal

#: Sent after synced fields of active users were written in one transaction. Argument: syncs
#: (list[accounts.sync.changes.UserSync]).
users_synced = Signal()
#: Sent after the effective roles of active users changed. Argument: changes (list[accounts.sync.changes.RoleChange]).
roles_changed = Signal()
#: Sent in the transaction that erases leads, except with their user and after the retention period. Argument: lead_ids
#: (list[str]), Clerk's IDs.
leads_erased = Signal()
#: A user got a password. Arguments: user, created (bool).
password_set = Signal()
