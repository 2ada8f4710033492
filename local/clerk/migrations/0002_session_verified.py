from django.db import migrations, models

import local.clerk.models


class Migration(migrations.Migration):

    dependencies = [
        ('localclerk', '0001_initial'),
    ]

    operations = [
        migrations.AddField('session', 'verified_ms', models.BigIntegerField(default=local.clerk.models.now_ms)),
    ]
