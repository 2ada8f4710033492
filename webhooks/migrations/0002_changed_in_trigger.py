"""Record in which transaction a counted column of an event changed, regardless of which code changes it.

It costs duplicates and retries a few microseconds, and first deliveries nothing: a new row gets its transaction from the
column's default.
"""

from django.db import migrations

FORWARDS = """
CREATE FUNCTION webhooks_note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_in := pg_current_xact_id()::text::bigint;
    RETURN NEW;
END
$$;
CREATE TRIGGER webhooks_event_changed BEFORE UPDATE OF state, deliveries, duration, processed_at ON webhooks_webhookevent
    FOR EACH ROW EXECUTE FUNCTION webhooks_note_change();
"""
BACKWARDS = """
DROP TRIGGER webhooks_event_changed ON webhooks_webhookevent;
DROP FUNCTION webhooks_note_change();
"""


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0001_initial")]

    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
