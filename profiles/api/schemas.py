"""The shapes of what the API answers and takes, as JSON Schema. What it takes is read off the forms themselves."""

from collections.abc import Iterable
from typing import Any

from django import forms

from profiles.api.patching import BUILDER_FORMS, CLIENT_FORMS, Forms
from profiles.forms.fields import ListField
from profiles.models import Availability, Badge, BuilderProfile, Currency, Domain, Profile, Project

#: A longer list of choices is not worth printing, such as all time zones.
MOST_CHOICES = 20

MOMENT, TEXT, NUMBER, FLAG = (
    {"type": "string", "format": "date-time"},
    {"type": "string"},
    {"type": "integer"},
    {"type": "boolean"},
)
TEXTS = {"type": "array", "items": TEXT}


def shape(*, optional: Iterable[str] = (), **properties: Any) -> dict[str, Any]:
    """Return an object with these properties and no others."""
    required = sorted(properties.keys() - set(optional))
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def nullable(kind: str, **more: Any) -> dict[str, Any]:
    """Return a type or null."""
    return {"type": [kind, "null"], **more}


def enum(choices: type[Any]) -> dict[str, Any]:
    """Return the values of Django's choices."""
    return {"type": "integer" if isinstance(choices.values[0], int) else "string", "enum": choices.values}


def ref(name: str) -> dict[str, Any]:
    """Return a reference to one of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}


def change(form_classes: Forms) -> dict[str, Any]:
    """Return what a PATCH may hold: any of the fields of these forms."""
    fields = {name: field for form_class in form_classes for name, field in form_class.base_fields.items()}
    properties = {name: _described(field) for name, field in fields.items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _described(field: forms.Field) -> dict[str, Any]:
    # Not as maxItems, because empty entries and doubles go before it is counted.
    most = f"At most {field.most}." if isinstance(field, ListField) else ""
    words = {"title": str(field.label), "description": f"{field.help_text} {most}".strip()}
    return _typed(field) | {name: text for name, text in words.items() if text}


def _typed(field: forms.Field) -> dict[str, Any]:
    match field:
        case forms.BooleanField():
            return dict(FLAG)
        case forms.DecimalField():
            return {"type": ["number", "string", "null"], **_limits(field)}
        case ListField():
            return {"type": "array", "items": {"type": "string", "maxLength": field.longest}}
        case forms.MultipleChoiceField():
            return {"type": "array", "items": {"type": "string", "enum": _values(field)}}
        case forms.ChoiceField() if len(_values(field)) <= MOST_CHOICES:
            return {"type": "string", "enum": _values(field)}
        case forms.CharField():
            return {"type": "string", "maxLength": field.max_length}
    return dict(TEXT)


def _values(field: Any) -> list[str]:
    return [value for value, _ in field.choices]


def _limits(field: Any) -> dict[str, float]:
    return {"minimum": float(field.min_value), "maximum": float(field.max_value)}


AWAY = {reason: nullable("string", format="date-time") for reason in Profile.HIDDEN_BY_FIELDS}
PRIVATE = {"email": nullable("string"), "clerk_id": nullable("string"), "hidden_reason": TEXT, **AWAY}
ACCESS = shape(role={"type": "string", "enum": ["owner", "admin"]}, can_edit=FLAG, can_delete=FLAG, can_verify=FLAG)
FOR_EDITORS = {
    "private": shape(display_name=TEXT, searchable=FLAG, **PRIVATE)
    | {"description": "For the owner and admins only; others do not get it."},
    "access": ACCESS,
}
SUMMARY = {
    "id": NUMBER,
    "slug": nullable("string"),
    "url": nullable("string"),
    "name": TEXT,
    "image_url": nullable("string"),
    "headline": TEXT,
    "tagline": TEXT,
    "location": TEXT,
    "time_zone": TEXT | {"description": "A name of the IANA database, or empty."},
    "domains": {"type": "array", "items": enum(Domain)},
    "skills": TEXTS | {"description": "The most important first."},
    "expertise": TEXTS,
    "links": {"type": "array", "items": TEXT | {"format": "uri"}},
    "validation_tier": enum(BuilderProfile.Tier),
    "available_for_hire": FLAG,
    "hourly_rate": nullable("string", pattern=r"^\d+\.\d{2}$", description="In `currency`; null if it is agreed on."),
    "currency": enum(Currency),
    "availability": enum(Availability),
    "availability_confirmed_at": nullable("string", format="date-time"),
    "adhd_friendly": FLAG,
    "completed_projects": NUMBER,
    "response_rate": nullable("integer", minimum=0, maximum=100),
    "featured": FLAG,
    "created_at": MOMENT,
}
IMAGE = shape(url=TEXT, alt=TEXT, width=nullable("integer"), height=nullable("integer")) | {"type": ["object", "null"]}
SCHEMAS: dict[str, Any] = {
    "Builder": shape(
        optional=FOR_EDITORS,
        **SUMMARY,
        bio=TEXT | {"description": "Markdown."},
        badges={"type": "array", "items": ref("Badge")},
        portfolio={"type": "array", "items": ref("Project")},
        **FOR_EDITORS,
    ),
    "BuilderSummary": shape(optional=FOR_EDITORS, **SUMMARY, **FOR_EDITORS),
    "Badge": shape(kind=enum(Badge.Kind), evidence=TEXT, awarded_at=MOMENT),
    "Project": shape(
        id=NUMBER,
        title=TEXT,
        description=TEXT,
        url=TEXT,
        technologies=TEXTS,
        status=enum(Project.Status),
        image=IMAGE,
    ),
    "BuilderChange": change(BUILDER_FORMS),
    "Client": shape(
        id=NUMBER,
        name=TEXT,
        company_name=TEXT,
        industry=TEXT,
        project_preferences=TEXT,
        created_at=MOMENT,
        private=shape(**PRIVATE),
        access=ACCESS,
    ),
    "ClientChange": change(CLIENT_FORMS),
    "User": shape(
        clerk_id=nullable("string"),
        name=TEXT,
        username=nullable("string"),
        email=nullable("string"),
        email_verified_at=nullable("string", format="date-time"),
        roles={"type": "array", "items": {"type": "string", "enum": ["CLIENT", "BUILDER", "ADMIN"]}},
        is_being_set_up=FLAG,
    ),
    "Error": shape(
        error=shape(
            optional=["fields"],
            code=TEXT | {"description": "For programs."},
            message=TEXT | {"description": "For people."},
            fields={
                "type": "object",
                "additionalProperties": TEXTS,
                "description": "With `invalid`: what is wrong with each field or parameter, in sentences.",
            },
        )
    ),
}
