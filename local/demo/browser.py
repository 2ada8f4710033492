"""The little of a browser that demo people need: cookies, redirects, and forms filled in as they stand on the page."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, override
from urllib.parse import urljoin

import httpx

from local.stack.environment import APP_HOST, CLERK_HOST

#: As a browser says when a person opens a page; so Clerk's handshake is gone through.
PAGE = {"Accept": "text/html", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin"}
PATIENCE_S = 20


class Refused(Exception):
    """The product did not take what was sent; the message says what it said."""


class Loopback(httpx.HTTPTransport):
    """Goes to this machine for *.localhost, as browsers do and not every resolver does."""

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        here = httpx.Request(
            request.method,
            request.url.copy_with(host="127.0.0.1"),
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        return super().handle_request(here)


@dataclass
class Form:
    """A form as it came.

    Attributes:
        action: where it is posted to; "" is the page it stands on.
        values: of each field, by its name; several of check boxes.
        kinds: text, textarea, select, checkbox, radio, file or hidden, by name.
        buttons: names of buttons, and what each says if it is pressed.
    """

    action: str
    values: dict[str, list[str]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, str] = field(default_factory=dict)

    def is_blank(self, names: set[str]) -> bool:
        """Return whether nobody has written anything into these fields; what is chosen always has some value."""
        written = [name for name in names if self.kinds.get(name) in ("text", "textarea", "number", "url")]
        return not any("".join(self.values[name]).strip(" 0") for name in written)

    def fill(self, typed: dict[str, Any]) -> None:
        """Type and tick.

        Raises:
            Refused: there is no such field.
        """
        for name, value in typed.items():
            if name not in self.kinds:
                raise Refused(f"The form has no field {name}.")
            self.values[name] = _typed(self.kinds[name], value)

    def press(self, button: str) -> None:
        """Have the form say which button it was."""
        self.values[button] = [self.buttons[button]]


def _typed(kind: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return ["on"] if value else []
    if isinstance(value, list):
        return value if kind == "checkbox" else [("\n" if kind == "textarea" else ", ").join(value)]
    return [str(value)]


class FormReader(HTMLParser):
    """Reads the forms of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._select = self._textarea = ""
        self.feed(page)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(found.get("action", ""))
            self.forms.append(self._form)
        elif self._form is None:
            return
        elif tag == "option":
            self._option(self._form, found)
        elif name := found.get("name"):
            self._field(self._form, tag, name, found)

    @override
    def handle_data(self, data: str) -> None:
        if self._form and self._textarea:
            # Browsers leave out the line break that Django puts first.
            before = self._form.values[self._textarea]
            before[0] = (before[0] + data).removeprefix("\n").removeprefix("\r\n")

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "textarea":
            self._textarea = ""

    def _field(self, form: Form, tag: str, name: str, found: dict[str, str]) -> None:
        kind = found.get("type", "text") if tag == "input" else tag
        if kind in ("submit", "button"):
            form.buttons[name] = found.get("value", "")
            return
        form.kinds[name] = kind
        values = form.values.setdefault(name, [])
        if tag == "textarea":
            self._textarea, form.values[name] = name, [""]
        elif tag == "select":
            self._select = name
        elif kind in ("checkbox", "radio"):
            values += [found.get("value", "on")] * ("checked" in found)
        elif kind != "file":
            values.append(found.get("value", ""))

    def _option(self, form: Form, found: dict[str, str]) -> None:
        if "selected" in found or not form.values[self._select]:
            form.values[self._select] = [found.get("value", "")]


class Browser:
    """A browser of one person.

    Args:
        port: of the application; the stand-in for Clerk has the next one.
    """

    def __init__(self, port: int) -> None:
        self.app, self.clerk = f"http://{APP_HOST}:{port}", f"http://{CLERK_HOST}:{port + 1}"
        self.client = httpx.Client(transport=Loopback(), timeout=PATIENCE_S, trust_env=False, headers=PAGE)

    def sign_in(self, user_id: str) -> None:
        """Sign in on the stand-in's own page, as somebody without JavaScript does."""
        address = f"{self.clerk}/sign-in"
        form = FormReader(self.client.get(address).text).forms[0]
        form.fill({"user_id": user_id})
        self.client.post(address, data=form.values, follow_redirects=True).raise_for_status()

    def json(self, path: str) -> Any:
        """Return what the API answers. Any page renews the token first; this one is small."""
        self.client.get(f"{self.app}/sign-out/", follow_redirects=True)
        return self.client.get(f"{self.app}{path}").raise_for_status().json()

    def form(self, path: str, having: str) -> Form | None:
        """Return the form of a page that has the field `having` or is posted to that address.

        Returns:
            None if there is no such page, or no such form.
        """
        response = self.client.get(f"{self.app}{path}", follow_redirects=True)
        if response.status_code == 404:
            return None
        found = FormReader(response.raise_for_status().text).forms
        return next((form for form in found if having in form.kinds or having == form.action), None)

    def post(self, path: str, form: Form, picture: tuple[str, bytes] | None = None) -> None:
        """Post a form of the page `path`, with a picture in its field of that name if there is one.

        Raises:
            Refused: it was not taken.
        """
        address = urljoin(f"{self.app}{path}", form.action)
        files = {picture[0]: (f"{picture[0]}.jpg", picture[1], "image/jpeg")} if picture else None
        response = self.client.post(address, data=form.values, files=files)
        if response.status_code not in (302, 303) or "draft=" in response.headers["Location"]:
            raise Refused(f"{address} was answered with {response.status_code}: {_complaints(response.text)}")


def _complaints(page: str) -> str:
    """Return what the page says is wrong, for a log."""
    lists = page.split('class="errorlist')[1:]
    return " ".join(part.split("</ul>")[0].partition(">")[2] for part in lists)[:500] or page[:200]
