"""Benchmarks of the webhook endpoint, reconciliation and pages: `make bench`. Figures are ratios within one run."""
