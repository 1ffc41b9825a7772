"""The URLs of assistants, threads and runs."""

from __future__ import annotations

from gateway.assistants import assistants, events, messages, older, runs, threads
from gateway.views.api import ApiView

resources: list[tuple[str, type[ApiView]]] = [
    ("assistants", assistants.Assistants),
    ("assistants/<str:assistant_id>", assistants.Assistant),
    ("assistants/<str:assistant_id>/files", older.AssistantFiles),
    ("assistants/<str:assistant_id>/files/<str:file_id>", older.AssistantFile),
    ("threads", threads.Threads),
    ("threads/runs", runs.RunWithThread),
    ("threads/<str:thread_id>", threads.Thread),
    ("threads/<str:thread_id>/messages", messages.Messages),
    ("threads/<str:thread_id>/messages/<str:message_id>", messages.Message),
    ("threads/<str:thread_id>/messages/<str:message_id>/files", older.MessageFiles),
    ("threads/<str:thread_id>/messages/<str:message_id>/files/<str:file_id>", older.MessageFile),
    ("threads/<str:thread_id>/runs", runs.Runs),
    ("threads/<str:thread_id>/runs/<str:run_id>", runs.Run),
    ("threads/<str:thread_id>/runs/<str:run_id>/cancel", runs.Cancel),
    ("threads/<str:thread_id>/runs/<str:run_id>/submit_tool_outputs", runs.ToolOutputs),
    ("threads/<str:thread_id>/runs/<str:run_id>/steps", runs.Steps),
    ("threads/<str:thread_id>/runs/<str:run_id>/steps/<str:step_id>", runs.Step),
    ("threads/<str:thread_id>/runs/<str:run_id>/events", events.Events),
]
