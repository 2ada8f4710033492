
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0014_reading_indices'),
    ]

    operations = [
        migrations.AlterField(
            model_name='auditlog',
            name='action',
            field=models.CharField(choices=[('USER_CREATED', 'User Created'), ('USER_UPDATED', 'User Updated'), ('USER_DELETED', 'User Deleted'), ('ROLE_ADDED', 'Role Added'), ('ROLE_REMOVED', 'Role Removed'), ('PROFILE_CREATED', 'Profile Created'), ('PROFILE_UPDATED', 'Profile Updated'), ('IDENTITY_LINKED', 'Identity Linked'), ('IDENTITY_MOVED', 'Identity Moved'), ('CONFLICT_OPENED', 'Conflict Opened'), ('CONFLICT_RESOLVED', 'Conflict Resolved'), ('DELETION_REQUESTED', 'Deletion Requested'), ('DELETION_CANCELLED', 'Deletion Cancelled'), ('PERSON_ERASED', 'Person Erased'), ('DATA_EXPORT_REQUESTED', 'Data Export Requested'), ('DATA_EXPORTED', 'Data Exported'), ('PUSH_REFUSED', 'Push Refused'), ('PUSH_STOPPED', 'Push Stopped'), ('EVENT_RETRIED', 'Event Retried'), ('ALERT_ACKNOWLEDGED', 'Alert Acknowledged'), ('ALERT_SNOOZED', 'Alert Snoozed'), ('ALERT_RESOLVED', 'Alert Resolved'), ('AUDIT_EXPORTED', 'Audit Exported'), ('EVENTS_EXPORTED', 'Events Exported')], max_length=40),
        ),
    ]
