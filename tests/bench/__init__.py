"""How much of what is possible the endpoint reaches: `make bench`. Figures are ratios within one run."""
