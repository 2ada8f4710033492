from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0006_alert_check_completed_at")]

    operations = [
        migrations.AddField(
            model_name="alert",
            name="title",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The latest finding, if the name of the rule does not describe it.",
                max_length=200,
            ),
        ),
    ]
