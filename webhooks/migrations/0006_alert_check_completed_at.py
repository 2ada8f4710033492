from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0005_channel_failure")]

    operations = [
        migrations.AlterField(
            model_name="alertcheck",
            name="checked_at",
            field=models.DateTimeField(help_text="When the last evaluation started."),
        ),
        migrations.AddField(
            model_name="alertcheck",
            name="completed_at",
            field=models.DateTimeField(
                help_text="When an evaluation was last completed. A worker can die during an evaluation.", null=True
            ),
        ),
    ]
