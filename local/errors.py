"""Errors that `make` shows to the user."""


class SetupError(Exception):
    """Local mode cannot start on this machine. The message is one sentence that tells the user what to do."""
