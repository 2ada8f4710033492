"""The error of a storage for files that cannot be used at the moment."""


class StorageUnavailableError(OSError):
    """Files cannot be read or written at the moment. Nothing was changed, and the request can be sent again later."""
