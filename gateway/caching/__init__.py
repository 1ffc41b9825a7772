"""Answers that are given again: docs/caching.md."""
