"""JSON schemas for API requests and responses. Request schemas are generated from the forms."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib.postgres.fields import ArrayField
from django.db import models

from profiles.api.patching import BUILDER_FORMS, CLIENT_FORMS, Forms
from profiles.api.serializers import BUILDER_FIELDS, CLIENT_FIELDS, PRIVATE_FIELDS, SUMMARY_FIELDS
from profiles.forms.fields import LanguagesField, ListField
from profiles.localization.languages import LANGUAGES, Level
from profiles.models import Badge, BuilderProfile, ClientProfile, Profile, Project

#: Choices are omitted from a schema if there are more than this, as for time zones.
MAX_CHOICES = 20

MOMENT, TEXT, NUMBER, FLAG = (
    {"type": "string", "format": "date-time"},
    {"type": "string"},
    {"type": "integer"},
    {"type": "boolean"},
)
TEXTS = {"type": "array", "items": TEXT}
#: A language code with an optional level.
LANGUAGE_PATTERN = rf"^({'|'.join(LANGUAGES)})(:({'|'.join(Level.values)}))?$"


def object_schema(*, optional: Iterable[str] = (), **properties: Any) -> dict[str, Any]:
    required = sorted(properties.keys() - set(optional))
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def nullable(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": [kind, "null"], **more}


def enum(choices: type[Any]) -> dict[str, Any]:
    return {"type": "integer" if isinstance(choices.values[0], int) else "string", "enum": choices.values}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def patch_schema(form_classes: Forms) -> dict[str, Any]:
    fields = {name: field for form_class in form_classes for name, field in form_class.base_fields.items()}
    properties = {name: _field_schema(field) for name, field in fields.items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _field_schema(field: forms.Field) -> dict[str, Any]:
    # maxItems would be wrong, because empty and duplicate entries are removed before they are counted.
    limit = f"At most {field.max_items}." if isinstance(field, ListField | LanguagesField) else ""
    annotations = {"title": str(field.label), "description": f"{field.help_text} {limit}".strip()}
    return _type_schema(field) | {name: text for name, text in annotations.items() if text}


def _type_schema(field: forms.Field) -> dict[str, Any]:
    match field:
        case forms.BooleanField():
            return dict(FLAG)
        case forms.IntegerField():  # includes decimal fields
            kind = "number" if isinstance(field, forms.DecimalField) else "integer"
            return {"type": [kind, "string", "null"], **_limits(field)}
        case forms.DateField():
            return nullable("string", format="date")
        case LanguagesField():
            return {"type": "array", "items": {"type": "string", "pattern": LANGUAGE_PATTERN}}
        case ListField():
            return {"type": "array", "items": {"type": "string", "maxLength": field.max_entry_length}}
        case forms.MultipleChoiceField():
            return {"type": "array", "items": {"type": "string", "enum": _values(field)}}
        case forms.ChoiceField():
            values = _values(field)
            return TEXT | ({"enum": values} if len(values) <= MAX_CHOICES else {})
        case forms.CharField():
            return {"type": "string", "maxLength": field.max_length}
    return dict(TEXT)


def column_schemas(model: type[models.Model], names: Iterable[str]) -> dict[str, Any]:
    """Return response schemas for model columns."""
    columns = [model._meta.get_field(name) for name in names]
    return {column.name: _column_schema(column) for column in columns}


def _column_schema(column: Any) -> dict[str, Any]:
    schema = _column_type(column)
    if column.null:
        schema["type"] = [schema["type"], "null"]
    return schema | ({"description": str(column.help_text)} if column.help_text else {})


def _column_type(column: Any) -> dict[str, Any]:
    if column.choices:
        return {"type": _column_kind(column), "enum": [value for value, _ in column.choices]}
    match column:
        case ArrayField():
            return {"type": "array", "items": _column_type(column.base_field)}
        case models.DecimalField():
            return {"type": "string", "pattern": rf"^\d+\.\d{{{column.decimal_places}}}$"}
        case models.DateTimeField():
            return dict(MOMENT)
        case models.DateField():
            return {"type": "string", "format": "date"}
        case models.URLField():
            return {"type": "string", "format": "uri"}
    return {"type": _column_kind(column)}


def _column_kind(column: Any) -> str:
    match column:
        case models.BooleanField():
            return "boolean"
        case models.IntegerField():
            return "integer"
    return "string"


def _values(field: Any) -> list[str]:
    return [value for value, _ in field.choices]


def _limits(field: Any) -> dict[str, float]:
    return {"minimum": float(field.min_value), "maximum": float(field.max_value)}


HIDDEN_BY = {name: nullable("string", format="date-time") for name in Profile.HIDDEN_BY_FIELDS}
PRIVATE = {"email": nullable("string"), "clerk_id": nullable("string"), "hidden_reason": TEXT, **HIDDEN_BY}
ACCESS = object_schema(
    role={"type": "string", "enum": ["owner", "admin"]}, can_edit=FLAG, can_delete=FLAG, can_verify=FLAG
)
FOR_EDITORS = {
    "private": object_schema(**column_schemas(BuilderProfile, PRIVATE_FIELDS), **PRIVATE)
    | {"description": "Included only for the owner and admins."},
    "access": ACCESS,
}
SUMMARY = {
    "id": NUMBER,
    "slug": nullable("string"),
    "url": nullable("string"),
    "name": TEXT,
    "image_url": nullable("string"),
    "featured": FLAG,
    "created_at": MOMENT,
}
IMAGE = object_schema(url=TEXT, alt=TEXT, width=nullable("integer"), height=nullable("integer"))
SCHEMAS: dict[str, Any] = {
    "Builder": object_schema(
        optional=FOR_EDITORS,
        **SUMMARY,
        **column_schemas(BuilderProfile, BUILDER_FIELDS),
        badges={"type": "array", "items": ref("Badge")},
        portfolio={"type": "array", "items": ref("Project")},
        **FOR_EDITORS,
    ),
    "BuilderSummary": object_schema(
        optional=FOR_EDITORS, **SUMMARY, **column_schemas(BuilderProfile, SUMMARY_FIELDS), **FOR_EDITORS
    ),
    "Badge": object_schema(kind=enum(Badge.Kind), evidence=TEXT, awarded_at=MOMENT),
    "Project": object_schema(
        id=NUMBER,
        page=nullable("string"),
        title=TEXT,
        description=TEXT,
        url=TEXT,
        technologies=TEXTS,
        status=enum(Project.Status),
        image=IMAGE | {"type": ["object", "null"]},
        images={"type": "array", "items": IMAGE},
    ),
    "BuilderChange": patch_schema(BUILDER_FORMS),
    "Client": object_schema(
        id=NUMBER,
        name=TEXT,
        **column_schemas(ClientProfile, CLIENT_FIELDS),
        created_at=MOMENT,
        private=object_schema(**PRIVATE),
        access=ACCESS,
    ),
    "ClientChange": patch_schema(CLIENT_FORMS),
    "User": object_schema(
        clerk_id=nullable("string"),
        name=TEXT,
        username=nullable("string"),
        email=nullable("string"),
        email_verified_at=nullable("string", format="date-time"),
        roles={"type": "array", "items": {"type": "string", "enum": ["CLIENT", "BUILDER", "ADMIN"]}},
        is_being_set_up=FLAG,
    ),
    "Error": object_schema(
        error=object_schema(
            optional=["fields"],
            code=TEXT | {"description": "For programs."},
            message=TEXT | {"description": "For people."},
            fields={
                "type": "object",
                "additionalProperties": TEXTS,
                "description": "Error messages by field or parameter. Present only if the code is `invalid`.",
            },
        )
    ),
}


def _read_only(name: str) -> frozenset[str]:
    return frozenset(SCHEMAS[name]["properties"]) - frozenset(SCHEMAS[f"{name}Change"]["properties"])


#: Response fields that clients cannot change. Requests that contain them get a specific error message.
READ_ONLY = {"builder": _read_only("Builder"), "client": _read_only("Client")}
