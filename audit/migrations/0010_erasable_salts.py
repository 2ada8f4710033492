"""Digest each personal column by itself, and let the salts go when what they salt is erased.

What stays beside an erased column can be verified, and an erased address cannot be found by trying them all.
"""

from django.db import migrations, models

BEFORE = "'{actor_label,target_label,details,ip_address,user_agent}'"
AFTER = "'{actor_label,target_label,details,ip_address,user_agent,personal_salt,actor_salt}'"
# The function of 0002, with another list of what may go.
FUNCTION = """
CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    personal CONSTANT text[] := {personal};
    before jsonb;
    after jsonb;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        before := to_jsonb(OLD);
        after := to_jsonb(NEW);
        IF before - personal = after - personal
           AND NOT EXISTS (
               SELECT 1 FROM unnest(personal) AS name
               WHERE after -> name NOT IN ('null'::jsonb, before -> name)
           )
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'The audit log is append-only: % is refused.', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
"""
FORWARDS = FUNCTION.replace("{personal}", AFTER)
BACKWARDS = FUNCTION.replace("{personal}", BEFORE)


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0008_alert_actions'),
    ]

    operations = [
        migrations.AddField(
            model_name='auditlog',
            name='actor_salt',
            field=models.BinaryField(null=True),
        ),
        migrations.AddField(
            model_name='auditlog',
            name='personal_parts',
            field=models.BinaryField(null=True),
        ),
        migrations.AlterField(
            model_name='auditlog',
            name='personal_salt',
            field=models.BinaryField(null=True),
        ),
        migrations.RunSQL(FORWARDS, BACKWARDS),
    ]
