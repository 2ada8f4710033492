"""An index in the order of sealing, made while the log is being written.

Reading a big table takes longer than a statement may usually take, and an index that is given up half way stays, invalid.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

WAIT = "SET statement_timeout = 0; SET lock_timeout = 0"
USUAL = "RESET statement_timeout; RESET lock_timeout"


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('audit', '0011_seals'),
    ]

    operations = [
        migrations.RunSQL(WAIT, USUAL),
        AddIndexConcurrently(
            model_name='auditlog',
            index=models.Index(models.F('transaction'), models.F('id'), name='audit_log_sealing'),
        ),
        migrations.RunSQL(USUAL, WAIT),
    ]
