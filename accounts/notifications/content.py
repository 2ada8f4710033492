"""The content of an email, which is rendered as plain text and HTML. See templates/mail/."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a page.

    Attributes:
        url: the full URL.
    """

    label: str
    url: str

    @classmethod
    def to_page(cls, label: str, url_name: str, *arguments: object, query: str = "") -> "Link":
        """Return a link to a page of this site.

        Args:
            url_name, arguments: for `reverse`.
            query: the query string, with "?".
        """
        return cls(label, settings.SITE_URL + reverse(url_name, args=arguments) + query)

    @classmethod
    def to_contact(cls) -> "Link":
        return cls.to_page(gettext("Contact us"), "accounts:legal", "contact")


@dataclass(frozen=True, slots=True)
class Content:
    """An email in the active language. All texts are plain text.

    Attributes:
        subject: without line breaks. Also the title in the email, unless `heading` is given.
        paragraphs: the text between the title and the quote.
        quote: text that a person has written, or "".
        facts: labels and values.
        button: the most important link.
        notes: the text after the quote and the facts.
        links: other links.
        reply_to: the value of the header Reply-To, or None.
        heading: the title in the email, or "" for the subject.
    """

    subject: str
    paragraphs: Sequence[str] = ()
    quote: str = ""
    facts: Sequence[tuple[str, str]] = ()
    button: Link | None = None
    notes: Sequence[str] = ()
    links: Sequence[Link] = ()
    reply_to: str | None = None
    heading: str = ""

    @property
    def title(self) -> str:
        return self.heading or self.subject
