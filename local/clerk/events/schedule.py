"""Svix's schedule for attempts. Source: docs.svix.com/retries and svix-server's worker.rs."""

TIMEOUT_S = 15
#: Seconds to wait after each failed attempt, with a jitter of ±20%. The attempt after the last wait is the final one.
RETRY_DELAYS_S = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)
JITTER = 0.2
