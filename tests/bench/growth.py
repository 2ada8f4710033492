"""Compute load and storage for a number of users from measured costs: `python -m tests.bench.growth`.

The table in docs/deploy/scale.md is this module's output. A test compares them.
"""

from dataclasses import dataclass

SECONDS_PER_MONTH = 30 * 24 * 3600
#: Assumed use, per user and month. The busiest second has `PEAK` times the average load.
EVENTS, PAGES, PEAK = 10, 30, 5
#: Assumed fraction of users who have a builder page.
BUILDERS = 0.2
#: Assumed fraction of each page, and measured CPU time in ms: builder page, directory, search. docs/performance.md
PAGE_MIX = ((0.7, 5.5), (0.2, 14.75), (0.1, 19.0))
#: Measured CPU time in ms for an event over HTTP with 16 connections, and PostgreSQL's part of it in batches.
EVENT_MS, EVENT_POSTGRES_MS = 2.9, 0.46
#: Measured bytes with indexes, from 11,400 events of `make faults`: payload, other parts of the event, audit rows.
PAYLOAD, EVENT, AUDIT = 1120, 1140, 1660
#: From 5,500 users of `make faults`, and from 2,000 complete builder pages of a benchmark.
USER, BUILDER = 660, 7300
#: Months for which payloads are kept (PAYLOAD_RETENTION_DAYS=90).
PAYLOAD_MONTHS = 3


@dataclass(frozen=True)
class Growth:
    users: int

    @property
    def peak_events_per_s(self) -> float:
        return PEAK * self.users * EVENTS / SECONDS_PER_MONTH

    @property
    def peak_pages_per_s(self) -> float:
        return PEAK * self.users * PAGES / SECONDS_PER_MONTH

    @property
    def event_cores(self) -> float:
        return self.peak_events_per_s * EVENT_MS / 1000

    @property
    def page_cores(self) -> float:
        return self.peak_pages_per_s * sum(share * ms for share, ms in PAGE_MIX) / 1000

    @property
    def primary_cores(self) -> float:
        """PostgreSQL's cores for events. Replicas serve the pages."""
        return self.peak_events_per_s * EVENT_POSTGRES_MS / 1000

    @property
    def current_gb(self) -> float:
        """Size of users, builder pages and payloads, which does not grow with time."""
        payloads = EVENTS * PAYLOAD_MONTHS * PAYLOAD
        return self.users * (USER + BUILDERS * BUILDER + payloads) / 1e9

    @property
    def gb_per_year(self) -> float:
        """Growth of the inbox without payloads, and of the audit log."""
        return self.users * EVENTS * 12 * (EVENT + AUDIT) / 1e9


def row(growth: Growth) -> str:
    """Return a row of the table."""
    values = (
        f"{growth.users // 1_000_000} million",
        f"{growth.peak_events_per_s:,.0f}",
        f"{growth.peak_pages_per_s:,.0f}",
        f"{growth.event_cores:,.1f}",
        f"{growth.page_cores:,.1f}",
        f"{growth.primary_cores:,.1f}",
        f"{growth.current_gb:,.0f} GB",
        f"{growth.gb_per_year:,.0f} GB",
    )
    return f"| {' | '.join(values)} |"


def rows() -> list[str]:
    return [row(Growth(millions * 1_000_000)) for millions in (1, 10, 100)]


if __name__ == "__main__":
    print("\n".join(rows()))
