"""The URLs of Responses and Conversations."""

from __future__ import annotations

from gateway.responses import conversations, views

resources = [
    ("responses", views.Responses),
    ("responses/input_tokens", views.InputTokens),
    ("responses/<str:response_id>", views.Response),
    ("responses/<str:response_id>/cancel", views.Cancel),
    ("responses/<str:response_id>/input_items", views.InputItems),
    ("conversations", conversations.Conversations),
    ("conversations/<str:conversation_id>", conversations.Conversation),
    ("conversations/<str:conversation_id>/items", conversations.Items),
    ("conversations/<str:conversation_id>/items/<str:item_id>", conversations.Item),
]
