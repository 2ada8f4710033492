"""The content of an email, which is rendered as plain text and HTML. See templates/mail/."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a page.

    Attributes:
        url: the full URL.
    """

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Content:
    """An email in the active language. All texts are plain text.

    Attributes:
        subject: without line breaks.
        heading: the title in the email.
        paragraphs: the text between the title and the quote.
        quote: text that a person has written, or "".
        facts: labels and values.
        button: the most important link.
        notes: the text after the quote and the facts.
        links: other links.
        reply_to: the value of the header Reply-To, or None.
    """

    subject: str
    heading: str
    paragraphs: Sequence[str] = ()
    quote: str = ""
    facts: Sequence[tuple[str, str]] = ()
    button: Link | None = None
    notes: Sequence[str] = ()
    links: Sequence[Link] = ()
    reply_to: str | None = None
