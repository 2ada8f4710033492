from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0017_erased_organization_invitations'),
    ]

    operations = [
        migrations.AlterField(
            model_name='lead',
            name='state',
            field=models.CharField(choices=[('pending', 'Pending'), ('invited', 'Invited'), ('completed', 'Signed up'), ('rejected', 'Rejected'), ('accepted', 'Accepted'), ('revoked', 'Revoked'), ('expired', 'Expired'), ('unknown', 'Unknown'), ('deleted', 'Deleted in Clerk')], max_length=16),
        ),
    ]
