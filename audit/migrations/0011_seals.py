"""The chain of seals that vouches for the log. Nobody changes a seal either, whoever asks."""

from django.db import migrations, models

FORWARDS = """
CREATE TRIGGER audit_seal_append_only BEFORE UPDATE OR DELETE ON audit_auditseal
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_seal_no_truncate BEFORE TRUNCATE ON audit_auditseal
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
"""
BACKWARDS = """
DROP TRIGGER audit_seal_no_truncate ON audit_auditseal;
DROP TRIGGER audit_seal_append_only ON audit_auditseal;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0010_erasable_salts'),
    ]

    operations = [
        migrations.CreateModel(
            name='AuditSeal',
            fields=[
                ('number', models.BigIntegerField(help_text='1, 2, 3 and so on without a gap.', primary_key=True, serialize=False)),
                ('sealed_at', models.DateTimeField()),
                ('form', models.PositiveSmallIntegerField(help_text='How rows and seals were written down to be digested.')),
                ('last_transaction', models.BigIntegerField()),
                ('last_id', models.BigIntegerField()),
                ('cluster', models.CharField(help_text='The server whose transactions are meant.', max_length=32)),
                ('floor_id', models.BigIntegerField(help_text='Only rows with greater ids are of that server.')),
                ('max_id', models.BigIntegerField(help_text='The greatest id in this seal and all before it.')),
                ('rows', models.PositiveIntegerField(help_text='How many rows it covers.')),
                ('total', models.PositiveBigIntegerField(help_text='How many rows it and all seals before it cover.')),
                ('leaves', models.BinaryField(help_text='Id and digest of each row, so that the one that was changed can be named.')),
                ('digest', models.BinaryField(help_text='SHA-256 of the leaves.')),
                ('previous_mac', models.BinaryField(help_text='The mac of the seal before it; empty in the first.')),
                ('key_id', models.CharField(help_text='Which key of AUDIT_SEAL_KEY it was made with.', max_length=16)),
                ('mac', models.BinaryField(help_text='HMAC-SHA256 of all of this.')),
            ],
            options={
                'ordering': ['-number'],
            },
        ),
        migrations.CreateModel(
            name='AuditVerification',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('started_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField()),
                ('seals', models.PositiveBigIntegerField(help_text='How many seals were verified.')),
                ('rows', models.PositiveBigIntegerField(help_text='How many rows were.')),
                ('erased', models.PositiveBigIntegerField(help_text='Rows of which something is erased, which is fine.')),
                ('first_bad_seal', models.BigIntegerField(null=True)),
                ('first_bad_row', models.BigIntegerField(null=True)),
                ('problems', models.JSONField(default=list, help_text='The first of them, as sentences.')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='CheckpointTarget',
            fields=[
                ('address', models.CharField(help_text='As in AUDIT_CHECKPOINTS.', max_length=500, primary_key=True, serialize=False)),
                ('sent_up_to', models.BigIntegerField(default=0, help_text='Number of the last seal it was told of.')),
                ('sent_at', models.DateTimeField(null=True)),
                ('last_error', models.TextField(blank=True, default='', help_text='Why it could not be told; empty if it could.')),
            ],
        ),
        migrations.RunSQL(FORWARDS, BACKWARDS),
    ]
