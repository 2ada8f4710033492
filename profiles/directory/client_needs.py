"""Open the directory with suggestions for a client, based on the client's answers during onboarding.

Only phrases with synonyms are used, because most other words in the client's text, such as “January”, do not describe
builders. The `needs` cookie is set if the client has turned suggestions off.
"""

import re
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse

from profiles.directory import synonyms
from profiles.directory.query import MAX_TEXT_LENGTH, DirectoryQuery
from profiles.directory.synonyms import Synonyms
from profiles.directory.understanding import understand
from profiles.shortlist.client_state import ClientState

#: Maximum number of phrases to search for.
MAX_PHRASES = 4
#: Name and value of the query parameter and cookie. The neutral parameters do not affect which builders match.
PARAMETER, OFF = "needs", "off"
_NEUTRAL_PARAMETERS = {PARAMETER, "currency"}
MAX_AGE_S = 365 * 24 * 3600
_SENTENCE_ENDS = re.compile(r"[.,;:!?()\n]+")


def needs_query(client: ClientState) -> DirectoryQuery | None:
    """Return a search for the phrases that have synonyms, or None if the client's text contains no such phrase."""
    known = synonyms.current() if client.industry or client.preferences else synonyms.NO_SYNONYMS
    phrases = dict.fromkeys(_known_phrases(f"{client.industry}\n{client.preferences}", known))
    text = " ".join(list(phrases)[:MAX_PHRASES])
    return DirectoryQuery(text=text, is_explicit=True) if 0 < len(text) <= MAX_TEXT_LENGTH else None


def _known_phrases(text: str, known: Synonyms) -> Iterator[str]:
    for sentence in _SENTENCE_ENDS.split(text):
        yield from (concept.text.lower() for concept in understand(sentence, known).concepts if concept.also)


def is_start(request: HttpRequest) -> bool:
    """Return whether the request opens the directory without a search, a filter or a sort order."""
    return request.GET.keys() <= _NEUTRAL_PARAMETERS


def is_on(request: HttpRequest) -> bool:
    return request.GET.get(PARAMETER, request.COOKIES.get(PARAMETER)) != OFF


def remember(request: HttpRequest, response: HttpResponse) -> None:
    """Set the cookie if this request turns suggestions off, or delete the cookie if it turns them on."""
    if PARAMETER in request.GET and request.user.is_authenticated:
        response.set_cookie(
            PARAMETER,
            "" if is_on(request) else OFF,
            max_age=0 if is_on(request) else MAX_AGE_S,
            secure=request.is_secure(),
            httponly=True,
            samesite="Lax",
        )
