import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0004_host_report")]

    operations = [
        migrations.CreateModel(
            name="ChannelFailure",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("channel", models.CharField(help_text="The channel's scheme and a digest of its URL.", max_length=32)),
                (
                    "since",
                    models.DateTimeField(
                        default=django.utils.timezone.now, help_text="When the first of these attempts failed."
                    ),
                ),
                (
                    "attempts",
                    models.PositiveIntegerField(default=1, help_text="The number of failed attempts in a row."),
                ),
                ("error", models.CharField(help_text="The error of the last attempt.", max_length=300)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("channel",), name="webhooks_channel_failure_unique")],
            },
        ),
    ]
