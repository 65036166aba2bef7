"""Metrics, replay, reports and campaigns."""
