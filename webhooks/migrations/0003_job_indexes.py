"""Indexes on Procrastinate's tables for the job list and for pruning.

Procrastinate's own indexes only support its workers. Without these indexes, a filtered list reads all finished jobs.
"""

from django.db import migrations

# The expression must match webhooks.jobs.states.
FORWARDS = """
CREATE INDEX webhooks_job_state ON procrastinate_jobs ((
    CASE WHEN (attempts > 0 AND status = 'todo') THEN 'retrying' WHEN status = 'todo' THEN 'pending'
    WHEN status = 'doing' THEN 'running' WHEN (attempts > 1 AND status = 'failed') THEN 'given_up'
    WHEN status = 'failed' THEN 'failed' WHEN status = 'succeeded' THEN 'finished' ELSE 'cancelled' END), id);
CREATE INDEX webhooks_job_task ON procrastinate_jobs (task_name, id);
-- For finding a later success of a failed job without reading all other failures of its task.
CREATE INDEX webhooks_job_succeeded ON procrastinate_jobs (task_name, id) WHERE status = 'succeeded';
-- For finding failed jobs without reading all others.
CREATE INDEX webhooks_job_failed ON procrastinate_jobs (task_name, id) WHERE status = 'failed';
-- For finding overdue jobs without reading all jobs that are scheduled for later.
CREATE INDEX webhooks_job_scheduled ON procrastinate_jobs (scheduled_at) WHERE status = 'todo';
CREATE INDEX webhooks_job_arguments ON procrastinate_jobs USING gin (args jsonb_path_ops);
CREATE INDEX webhooks_job_deferred ON procrastinate_events (at) WHERE type = 'deferred';
"""
BACKWARDS = """
DROP INDEX webhooks_job_state;
DROP INDEX webhooks_job_task;
DROP INDEX webhooks_job_succeeded;
DROP INDEX webhooks_job_failed;
DROP INDEX webhooks_job_scheduled;
DROP INDEX webhooks_job_arguments;
DROP INDEX webhooks_job_deferred;
"""


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0002_changed_in_trigger")]

    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
