from django.db import migrations

NOTES = {
    "in_place_editing": "Sections of a profile turn into their forms where they stand. Off: forms are pages of their own.",
    "public_api": "The JSON API below /api/profiles/. Off: it answers 503 with a sentence.",
    "directory_facets": "Narrowing the directory by domain, skill, tier, availability and rate. Off: search only.",
    "handshake": "Pages whose session token has run out go to Clerk for a new one. Off: their visitors count as signed out.",
}


def create_flags(apps, schema_editor):
    """Create every flag, enabled for everyone, so that the admin lists them from the start."""
    flags = apps.get_model("accounts", "Flag").objects
    for name, note in NOTES.items():
        flags.get_or_create(name=name, defaults={"note": note, "everyone": True, "superusers": False})


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.RunPython(create_flags, migrations.RunPython.noop),
    ]
