"""OpenAI's Responses and Conversations APIs, over any chat model."""
