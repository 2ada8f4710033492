from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0018_deleted_leads'),
    ]

    operations = [
        migrations.AddField(
            model_name='lead',
            name='approval_error',
            field=models.CharField(blank=True, db_default='', default='', editable=False, help_text='Why the approval failed.', max_length=500),
        ),
        migrations.AddField(
            model_name='lead',
            name='approval_requested_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
