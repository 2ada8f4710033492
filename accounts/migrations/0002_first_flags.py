from django.db import migrations

NOTES = {
    "in_place_editing": "Edit profile sections in place. If off, each form opens on a separate page.",
    "public_api": "The JSON API under /api/profiles/. If off, it returns 503 with an explanation.",
    "directory_facets": "Directory filters for domain, skill, tier, availability and rate. If off, only search is available.",
    "handshake": "Refresh expired session tokens by redirecting pages through Clerk. If off, those visitors are signed out.",
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
