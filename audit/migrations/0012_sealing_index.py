"""An index in the order of sealing, made while the log is being written."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('audit', '0011_seals'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='auditlog',
            index=models.Index(models.F('transaction'), models.F('id'), name='audit_log_sealing'),
        ),
    ]
