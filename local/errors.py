"""The error that local mode shows to the person who ran `make`."""


class SetupError(Exception):
    """Local mode cannot start on this machine. The message is one sentence that says what to do."""
