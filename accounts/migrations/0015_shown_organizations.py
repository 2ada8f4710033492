"""Let users choose which organizations their page shows.

The function returns the name and the URL part of each organization that a user shows.
"""

from django.db import migrations, models

FUNCTION = """
CREATE FUNCTION accounts_shown_organizations(member_id text) RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(jsonb_agg(
        jsonb_build_array(team.name, coalesce(nullif(team.slug, ''), team.clerk_id)) ORDER BY team.name, team.id
    ), '[]'::jsonb)
    FROM accounts_organizationmembership member JOIN accounts_organization team ON team.id = member.organization_id
    WHERE member.user_clerk_id = member_id AND member.shown_at IS NOT NULL AND member.deleted_at IS NULL
      AND team.deleted_at IS NULL AND team.clerk_version <> ''
$$
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0014_organization_roles")]
    operations = [
        migrations.AddField(
            "organizationmembership",
            "shown_at",
            models.DateTimeField(
                blank=True, help_text="When the user chose to show the organization on their page.", null=True
            ),
        ),
        migrations.RunSQL(FUNCTION, "DROP FUNCTION accounts_shown_organizations(text)"),
    ]
