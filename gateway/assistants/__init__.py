"""Assistants, threads and runs: the API that OpenAI switched off in August 2026, executed over any chat model."""
