"""The description of the JSON API, in OpenAPI 3.1. Tests compare it with what the API answers."""

from typing import Any

from profiles.api.listing import PARAMETERS
from profiles.api.parsers import JSON
from profiles.api.schemas import NUMBER, SCHEMAS, TEXT, nullable, ref, shape

DESCRIPTION = """
Profiles of builders and clients. Send a Clerk session token as a Bearer token, or Clerk's cookies with a CSRF token.
Each profile has an ETag: send it as If-None-Match to read only what is new, and as If-Match to change only what you have
seen. A change names the fields that get new values; all of them are saved, or none. Lists hold texts without commas and
line breaks: both separate entries, as in the forms.
""".strip().replace("\n", " ")


def _answer(description: str, schema: dict[str, Any] | None = None, **headers: Any) -> dict[str, Any]:
    content = {"content": {JSON: {"schema": schema}}} if schema else {}
    named = {"headers": {name.replace("_", "-"): {"schema": TEXT} for name in headers}} if headers else {}
    return {"description": description, **content, **named}


def _error(description: str) -> dict[str, Any]:
    return _answer(description, ref("Error"))


AWAY = {"503": _error("The API is switched off, or cannot answer just now; the code says which.")}
UNAUTHENTICATED = {"401": _error("Nobody is signed in; the code says why the token was not accepted.")}
NOT_FOUND = {"404": _error("There is no such profile, or it is not yours to see.")}
NOT_YOURS = {"403": _error("You may see it, but not do this; or cookies came without a CSRF token.")}
STALE = {
    "412": _error("It has changed since you read it: read it again."),
    "428": _error("There is no If-Match."),
}
BAD_BODY = {
    "400": _error("The body is not a JSON object, or has a name twice."),
    "413": _error("The body is too large."),
    "415": _error("The body is not called application/json."),
    "422": _error("The fields named are not as they have to be; nothing was changed."),
}

ID = {"name": "id", "in": "path", "required": True, "schema": NUMBER | {"minimum": 1, "maximum": 10**18 - 1}}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": TEXT,
    "description": "The ETag of what you have: 304 if there is nothing new.",
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "schema": TEXT,
    "example": "*",
    "description": "The ETag of what you have read, or * to overwrite whatever is there.",
}


def _profile(name: str, reading: dict[str, Any]) -> dict[str, Any]:
    """Return what can be done with one profile."""
    shown = _answer(f"The {name.lower()}.", ref(name), ETag=True)
    writing = {"parameters": [ID, IF_MATCH]}
    refused = UNAUTHENTICATED | NOT_YOURS | NOT_FOUND | STALE | AWAY
    return {
        "get": {
            **reading,
            "parameters": [ID, IF_NONE_MATCH],
            "responses": {"200": shown, "304": _answer("There is nothing new."), **NOT_FOUND, **AWAY},
        },
        "patch": {
            "summary": f"Change fields of a {name.lower()}, all that are named or none",
            **writing,
            "requestBody": {"required": True, "content": {JSON: {"schema": ref(f"{name}Change")}}},
            "responses": {"200": shown, **refused, **BAD_BODY},
        },
        "delete": {
            "summary": f"Delete the profile of a {name.lower()}, and with it give up the role",
            **writing,
            "responses": {
                "204": _answer("It is deleted."),
                **refused,
                "409": _error("The role cannot be given up: there is nobody at Clerk who has it."),
            },
        },
    }


ME = shape(
    user=ref("User"),
    builder={"oneOf": [ref("Builder"), {"type": "null"}]},
    client={"oneOf": [ref("Client"), {"type": "null"}]},
)
PAGE = shape(
    results={"type": "array", "items": ref("BuilderSummary")},
    next=nullable("string", description="The address of the next page, with the same filters; null on the last."),
    next_before=nullable("integer"),
)
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Buildappswith profiles", "version": "2", "description": DESCRIPTION},
    "paths": {
        "/api/profiles/me": {
            "get": {
                "summary": "Who is signed in, and their profiles",
                "responses": {"200": _answer("The person.", ME), **UNAUTHENTICATED, **AWAY},
            }
        },
        "/api/profiles/builders": {
            "get": {
                "summary": "The directory of builders, with its filters, newest first, fifty at a time",
                "security": [],
                "parameters": PARAMETERS,
                "responses": {
                    "200": _answer("One page.", PAGE),
                    "400": _error("`before` is no id."),
                    "422": _error("The parameters named are not as they have to be."),
                    **AWAY,
                },
            }
        },
        "/api/profiles/builders/{id}": _profile(
            "Builder", {"summary": "One builder; with private facts for the owner and admins", "security": []}
        ),
        "/api/profiles/clients/{id}": _profile(
            # Nobody is not asked to sign in: who may not see a client cannot tell whether there is one.
            "Client",
            {"summary": "One client, for the client and for admins", "security": [{"session": []}, {}]},
        ),
    },
    "components": {
        "schemas": SCHEMAS,
        "securitySchemes": {"session": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
    },
    "security": [{"session": []}],
}
