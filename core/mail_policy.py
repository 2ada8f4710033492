"""Emails whose links in headers stay readable."""

from email.headerregistry import HeaderRegistry, UnstructuredHeader
from email.policy import EmailPolicy
from email.policy import default as default_policy
from typing import Any, cast, override

from django.core.mail import EmailMultiAlternatives


class _LinkHeader(UnstructuredHeader):
    """A header with a URL in angle brackets."""

    def fold(self, *, policy: EmailPolicy) -> str:
        """Return the header as one line.

        Python encodes long words as =?utf-8?q?…?=, and mail providers do not decode URLs. RFC 5322 permits 998 characters.
        """
        return f"{cast(Any, self).name}: {self}{policy.linesep}"


_headers = HeaderRegistry()
_headers.map_to_type("list-unsubscribe", cast(Any, _LinkHeader))


class EmailWithLinks(EmailMultiAlternatives):
    """An email as text and HTML that can have the header List-Unsubscribe."""

    @override
    def message(self, *, policy: Any = default_policy) -> Any:
        return super().message(policy=policy.clone(header_factory=_headers))
