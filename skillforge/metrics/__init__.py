"""Metrics: what a run's graded samples say, with intervals, and whether two runs differ. Needs no numpy."""
