from collections.abc import Mapping, Sequence

from django.http import JsonResponse

from accounts.http import json_error


class ApiError(Exception):
    """An error response of the API.

    Args:
        code: a stable, machine-readable code.
        message: a human-readable description.
        fields: error messages by field name.
        headers: additional response headers.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        fields: Mapping[str, Sequence[str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.fields, self.headers = status, code, message, fields, headers

    def response(self) -> JsonResponse:
        extra = {"fields": self.fields} if self.fields else {}
        response = json_error(self.status, self.code, self.message, **extra)
        for name, value in (self.headers or {}).items():
            response[name] = value
        return response
