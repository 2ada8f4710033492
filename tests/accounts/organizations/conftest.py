"""The running Clerk stand-in, which loses every webhook."""

from tests.accounts.sync.conftest import clerk, shared

__all__ = ["clerk", "shared"]
