"""Builder contact cards (vCard 3.0, RFC 2426) with public profile data. Email addresses are never included."""

from profiles.models import BuilderProfile

#: Maximum line length in bytes, without the line break. Longer lines are folded.
MAX_LINE_BYTES = 75


def vcard_of(profile: BuilderProfile, *, page_url: str, image_url: str) -> str:
    """Return the contact card of a public page.

    Args:
        page_url: the absolute URL of the page.
        image_url: the absolute URL of the portrait, or "".
    """
    values = {
        "FN": _escape(profile.name),
        "N": f"{_escape(profile.name)};;;;",
        "TITLE": _escape(profile.headline),
        "ADR": f";;;{_escape(profile.location)};;;" if profile.location else "",
        "CATEGORIES": ",".join(map(_escape, profile.top_skills)),
        "URL": page_url,
        "PHOTO;VALUE=uri": image_url,
    }
    lines = ["BEGIN:VCARD", "VERSION:3.0", *(f"{name}:{value}" for name, value in values.items() if value), "END:VCARD"]
    return "".join(f"{_fold(line)}\r\n" for line in lines)


def _escape(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace(",", "\\,").replace(";", "\\;")
    return "\\n".join(escaped.splitlines())


def _fold(line: str) -> str:
    """Fold a long line at character boundaries. Continuation lines start with a space."""
    folded, length = "", 0
    for letter in line:
        size = len(letter.encode("utf-8", "replace"))
        if length + size > MAX_LINE_BYTES:
            folded, length = f"{folded}\r\n ", 1
        folded, length = folded + letter, length + size
    return folded
