"""Reject every change to the audit log and its seals in the database.

The only exception is erasure: the personal columns of a user's rows may become NULL once the user is marked as erased
(`accounts_user.erased_at`) and a row PERSON_ERASED says so. Details of role and group changes are not personal and stay.
"""

from django.db import migrations

FORWARDS = """
CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    about CONSTANT text[] := '{target_label,details,personal_salt}';
    actor CONSTANT text[] := '{actor_label,ip_address,user_agent,actor_salt}';
    permanent CONSTANT text[] := '{ROLE_ADDED,ROLE_REMOVED,GROUP_JOINED,GROUP_LEFT}';
    before jsonb;
    after jsonb;
    changed text[];
    people bigint[];
    erased bigint;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        before := to_jsonb(OLD);
        after := to_jsonb(NEW);
        changed := ARRAY(SELECT name FROM jsonb_object_keys(after) AS name WHERE after -> name <> before -> name);
        IF changed = '{}' THEN
            RETURN NEW;
        END IF;
        IF changed <@ (about || actor)
           AND NOT EXISTS (SELECT 1 FROM unnest(changed) AS name WHERE after -> name <> 'null')
           AND NOT ('details' = ANY (changed) AND before ->> 'action' = ANY (permanent))
        THEN
            people := ARRAY(
                SELECT DISTINCT CASE
                    WHEN name = ANY (about) THEN before ->> 'subject_id'
                    ELSE coalesce(before ->> 'actor_id', before ->> 'subject_id')
                END::bigint
                FROM unnest(changed) AS name
            );
            -- The schema is named, because a temporary table of the same name would be found first.
            EXECUTE format(
                'SELECT count(*) FROM %1$I.accounts_user AS person
                 WHERE person.id = ANY ($1) AND person.erased_at IS NOT NULL AND EXISTS (
                     SELECT 1 FROM %1$I.audit_auditlog AS log
                     WHERE log.subject_id = person.id AND log.action = ''PERSON_ERASED'')',
                TG_TABLE_SCHEMA
            ) INTO erased USING people;
            IF erased = cardinality(people) THEN
                RETURN NEW;
            END IF;
        END IF;
    END IF;
    RAISE EXCEPTION 'The audit log is append-only: % is refused.', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_auditlog
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_auditlog
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_seal_append_only BEFORE UPDATE OR DELETE ON audit_auditseal
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_seal_no_truncate BEFORE TRUNCATE ON audit_auditseal
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
"""
BACKWARDS = """
DROP TRIGGER audit_seal_no_truncate ON audit_auditseal;
DROP TRIGGER audit_seal_append_only ON audit_auditseal;
DROP TRIGGER audit_log_no_truncate ON audit_auditlog;
DROP TRIGGER audit_log_append_only ON audit_auditlog;
DROP FUNCTION audit_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
