"""OpenAPI 3.1 document for the JSON API. Tests check the API's responses against it."""

from typing import Any

from profiles.api.listing import PARAMETERS
from profiles.api.parsers import JSON
from profiles.api.schemas import NUMBER, SCHEMAS, TEXT, nullable, object_schema, ref
from profiles.directory.search import Match

DESCRIPTION = """
Profiles of builders and clients. Send a Clerk session token as a Bearer token, or Clerk's cookies with a CSRF token.
Each profile has an ETag. Send it as If-None-Match to avoid downloading an unchanged profile, or as If-Match to change
it. A PATCH contains only the fields to change. If one field is invalid, no fields are saved. List entries must not contain
commas or line breaks, because the website's forms use both as separators.
""".strip().replace("\n", " ")


def _response(description: str, schema: dict[str, Any] | None = None, **headers: Any) -> dict[str, Any]:
    content = {"content": {JSON: {"schema": schema}}} if schema else {}
    header_schemas = {"headers": {name.replace("_", "-"): {"schema": TEXT} for name in headers}} if headers else {}
    return {"description": description, **content, **header_schemas}


def _error(description: str) -> dict[str, Any]:
    return _response(description, ref("Error"))


UNAVAILABLE = {
    "429": _response(
        "You sent too many requests. Retry-After is the number of seconds to wait.", ref("Error"), Retry_After=True
    ),
    "503": _error("The API is switched off or temporarily unavailable. See `code`."),
}
UNKNOWN_PARAMETER = {"400": _error("A query parameter is unknown. The message names it.")}
UNAUTHENTICATED = {"401": _error("You are not signed in. `code` contains the reason why the token was rejected.")}
NOT_FOUND = {"404": _error("The profile does not exist, or you cannot view it.")}
FORBIDDEN = {
    "403": _error("You do not have the required permission, or the request used cookies without a CSRF token.")
}
STALE = {
    "412": _error("The profile has changed since you read it. Read it again."),
    "428": _error("If-Match is missing."),
}
BAD_BODY = {
    "400": _error("The body is not a JSON object, or contains a duplicate key, or a query parameter is unknown."),
    "413": _error("The body is too large."),
    "415": _error("The content type is not application/json."),
    "422": _error("Some fields are invalid. Nothing was changed."),
}

ID = {"name": "id", "in": "path", "required": True, "schema": NUMBER | {"minimum": 1, "maximum": 10**18 - 1}}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": TEXT,
    "description": "The ETag of your copy. If the copy is current, the response is 304.",
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "schema": TEXT,
    "example": "*",
    "description": "The ETag of the version that you read, or * to overwrite any version.",
}


def _profile_operations(name: str, get: dict[str, Any]) -> dict[str, Any]:
    success = _response(f"The {name.lower()}.", ref(name), ETag=True)
    write = {"parameters": [ID, IF_MATCH]}
    errors = UNKNOWN_PARAMETER | UNAUTHENTICATED | FORBIDDEN | NOT_FOUND | STALE | UNAVAILABLE
    return {
        "get": {
            **get,
            "parameters": [ID, IF_NONE_MATCH],
            "responses": {
                "200": success,
                "304": _response("Your copy is current."),
                **UNKNOWN_PARAMETER,
                **NOT_FOUND,
                **UNAVAILABLE,
            },
        },
        "patch": {
            "summary": f"Change fields of a {name.lower()} profile",
            **write,
            "requestBody": {"required": True, "content": {JSON: {"schema": ref(f"{name}Change")}}},
            "responses": {"200": success, **errors, **BAD_BODY},
        },
        "delete": {
            "summary": f"Delete a {name.lower()} profile and remove the role that it belongs to",
            **write,
            "responses": {
                "204": _response("The profile is deleted."),
                **errors,
                "409": _error("The role cannot be removed, because the account does not exist in Clerk."),
            },
        },
    }


ME = object_schema(
    user=ref("User"),
    builder={"oneOf": [ref("Builder"), {"type": "null"}]},
    client={"oneOf": [ref("Client"), {"type": "null"}]},
)
SEARCH = object_schema(
    text={
        "type": "string",
        "description": "The search text. Misspelled words are corrected if no builder matches them.",
    },
    match={
        "type": "string",
        "enum": [str(match) for match in Match],
        "description": "How builders match: all words; all words or their synonyms; any word; or every builder, because "
        "the text contains only general words such as “developer”.",
    },
)
PAGE = object_schema(
    results={"type": "array", "items": ref("BuilderSummary")},
    search={"oneOf": [SEARCH, {"type": "null"}]},
    next=nullable("string", description="The next page's URL with the same filters, or null on the last page."),
    next_before=nullable("integer"),
)
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Buildappswith profiles", "version": "2", "description": DESCRIPTION},
    "paths": {
        "/api/profiles/me": {
            "get": {
                "summary": "The signed-in user and their profiles",
                "responses": {"200": _response("The user.", ME), **UNKNOWN_PARAMETER, **UNAUTHENTICATED, **UNAVAILABLE},
            }
        },
        "/api/profiles/builders": {
            "get": {
                "summary": "List builders, newest first, 50 per page",
                "security": [],
                "parameters": PARAMETERS,
                "responses": {
                    "200": _response("One page.", PAGE),
                    "400": _error("`before` is not a valid id, or a query parameter is unknown."),
                    "422": _error("Some parameters are invalid."),
                    **UNAVAILABLE,
                },
            }
        },
        "/api/profiles/builders/{id}": _profile_operations(
            "Builder", {"summary": "Get a builder, with private fields for the owner and admins", "security": []}
        ),
        "/api/profiles/clients/{id}": _profile_operations(
            # Anonymous requests get 404 instead of 401, so that they do not reveal whether a client exists.
            "Client",
            {"summary": "Get a client. Only the client and admins have access", "security": [{"session": []}, {}]},
        ),
    },
    "components": {
        "schemas": SCHEMAS,
        "securitySchemes": {"session": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
    },
    "security": [{"session": []}],
}
