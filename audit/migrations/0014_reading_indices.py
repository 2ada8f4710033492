"""Indices for looking through millions of rows, made while the log is being written.

Reading a big table takes longer than a statement may usually take, and an index that is given up half way stays, invalid.
"""

import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

WAIT = "SET statement_timeout = 0; SET lock_timeout = 0"
USUAL = "RESET statement_timeout; RESET lock_timeout"


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('audit', '0013_export_action'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunSQL(WAIT, USUAL),
        AddIndexConcurrently(
            model_name='auditlog',
            index=models.Index(models.F('actor'), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('actor__isnull', False)), name='audit_log_actor_recent'),
        ),
        AddIndexConcurrently(
            model_name='auditlog',
            index=models.Index(models.F('action'), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('action__in', ['USER_CREATED', 'USER_UPDATED', 'USER_DELETED', 'ROLE_ADDED', 'ROLE_REMOVED', 'PROFILE_CREATED', 'PROFILE_UPDATED']), _negated=True), name='audit_log_rare_action'),
        ),
        AddIndexConcurrently(
            model_name='auditlog',
            index=models.Index(models.F('source'), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('source', 'webhook'), _negated=True), name='audit_log_rare_source'),
        ),
        AddIndexConcurrently(
            model_name='auditlog',
            index=models.Index(models.OrderBy(models.F('id'), descending=True), condition=models.Q(('actor__isnull', False)), name='audit_log_by_people'),
        ),
        AddIndexConcurrently(
            model_name='auditlog',
            index=models.Index(models.OrderBy(models.F('id'), descending=True), condition=models.Q(('impersonator__isnull', False)), name='audit_log_impersonated'),
        ),
        AddIndexConcurrently(
            model_name='auditlog',
            index=models.Index(models.OrderBy(models.F('id'), descending=True), condition=models.Q(('actor__isnull', True), models.Q(('source', 'webhook'), _negated=True)), name='audit_log_by_system'),
        ),
        AddIndexConcurrently(
            model_name='auditlog',
            index=models.Index(models.F('timestamp'), name='audit_log_time'),
        ),
        migrations.RunSQL(USUAL, WAIT),
        # audit_log_actor_recent has taken its place.
        migrations.AlterField(
            model_name='auditlog',
            name='actor',
            field=models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
    ]
