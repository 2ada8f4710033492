from typing import Any

from django.db import migrations

MARK = """
UPDATE profiles_builderprofile SET index_due_at = now() WHERE id IN (
    SELECT id FROM profiles_builderprofile WHERE id > %s ORDER BY id LIMIT 10000
) RETURNING id
"""


def mark_due(apps: Any, schema_editor: Any) -> None:
    """Have the upkeep job index everybody again; `manage.py index_profiles` does so at once."""
    last = 0
    with schema_editor.connection.cursor() as cursor:
        while last is not None:
            cursor.execute(MARK, [last])
            last = max((pk for (pk,) in cursor.fetchall()), default=None)


class Migration(migrations.Migration):
    # One batch at a time, so that no row is locked for long. Run again, it does the same again.
    atomic = False

    dependencies = [("profiles", "0007_name_key")]

    operations = [migrations.RunPython(mark_due, migrations.RunPython.noop)]
