"""How the API says no."""

from collections.abc import Mapping, Sequence

from django.http import JsonResponse

from accounts.http import json_error


class ApiError(Exception):
    """A request that is refused.

    Args:
        code: for programs.
        message: a sentence for people.
        fields: what is wrong with each field, in sentences.
        headers: of the answer.
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
        """Return the answer."""
        more = {"fields": self.fields} if self.fields else {}
        response = json_error(self.status, self.code, self.message, **more)
        for name, value in (self.headers or {}).items():
            response[name] = value
        return response
