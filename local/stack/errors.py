"""The one error of local mode that a person is meant to read."""


class SetupError(Exception):
    """Something about this machine stands in the way; the message is one sentence that says what to do."""
