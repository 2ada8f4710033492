"""The description of the JSON API, in OpenAPI 3.1. Tests compare it with what the API answers."""

from typing import Any


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _nullable(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": [kind, "null"], **more}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


MOMENT, TEXT, NUMBER, FLAG = (
    {"type": "string", "format": "date-time"},
    {"type": "string"},
    {"type": "integer"},
    {"type": "boolean"},
)
AWAY = {
    name: _nullable("string", format="date-time")
    for name in ("archived_at", "hidden_at", "unpublished_at", "deleted_at")
}
ACCESS = _object(role={"type": "string", "enum": ["owner", "admin"]}, can_edit=FLAG, can_delete=FLAG, can_verify=FLAG)
PRIVATE = {"email": _nullable("string"), "clerk_id": _nullable("string"), **AWAY}
SCHEMAS: dict[str, Any] = {
    "Builder": _object(
        id=NUMBER,
        slug=_nullable("string"),
        url=_nullable("string"),
        name=TEXT,
        headline=TEXT,
        image_url=_nullable("string"),
        validation_tier={"type": "integer", "enum": [1, 2, 3]},
        available_for_hire=FLAG,
        created_at=MOMENT,
        private=_object(searchable=FLAG, **PRIVATE) | {"description": "For the owner and admins only."},
        access=ACCESS,
    ),
    "Client": _object(id=NUMBER, name=TEXT, created_at=MOMENT, private=_object(**PRIVATE), access=ACCESS),
    "User": _object(
        clerk_id=_nullable("string"),
        name=TEXT,
        username=_nullable("string"),
        email=_nullable("string"),
        email_verified_at=_nullable("string", format="date-time"),
        roles={"type": "array", "items": {"type": "string", "enum": ["CLIENT", "BUILDER", "ADMIN"]}},
        is_being_set_up=FLAG,
    ),
    "Error": _object(error=_object(code=TEXT, message=TEXT)),
}
UNAUTHENTICATED = _answer("Nobody is signed in; the code says why the token was not accepted.", _ref("Error"))
NOT_FOUND = _answer("There is no such profile, or it is not yours to see.", _ref("Error"))
ID = {"name": "id", "in": "path", "required": True, "schema": NUMBER}
BEFORE = {
    "name": "before",
    "in": "query",
    "required": False,
    "schema": NUMBER,
    "description": "Continue below the profile with this id: the next_before of the page before.",
}

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Buildappswith profiles",
        "version": "1",
        "description": "Reading profiles. Send a Clerk session token as a Bearer token, or Clerk's cookies.",
    },
    "paths": {
        "/api/profiles/me": {
            "get": {
                "summary": "Who is signed in, and their profiles",
                "responses": {
                    "200": _answer(
                        "The person.", _object(user=_ref("User"), builder=_ref("Builder"), client=_ref("Client"))
                    ),
                    "401": UNAUTHENTICATED,
                },
            }
        },
        "/api/profiles/builders": {
            "get": {
                "summary": "The directory of builders, newest first, fifty at a time",
                "security": [],
                "parameters": [BEFORE],
                "responses": {
                    "200": _answer(
                        "One page.",
                        _object(results={"type": "array", "items": _ref("Builder")}, next_before=_nullable("integer")),
                    )
                },
            }
        },
        "/api/profiles/builders/{id}": {
            "get": {
                "summary": "One builder; with private facts for the owner and admins",
                "security": [],
                "parameters": [ID],
                "responses": {"200": _answer("The builder.", _ref("Builder")), "404": NOT_FOUND},
            }
        },
        "/api/profiles/clients/{id}": {
            "get": {
                "summary": "One client, for the client and for admins",
                "parameters": [ID],
                "responses": {"200": _answer("The client.", _ref("Client")), "404": NOT_FOUND},
            }
        },
    },
    "components": {
        "schemas": SCHEMAS,
        "securitySchemes": {"session": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
    },
    "security": [{"session": []}],
}
