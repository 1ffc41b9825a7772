"""LiteLLM's words and what they are here. Pure data."""

from __future__ import annotations

import re
from collections.abc import Mapping

# the part of a model's name before its first slash, or custom_llm_provider -> adapter
ADAPTERS: Mapping[str, str] = {
    "openai": "openai", "text-completion-openai": "openai", "custom_openai": "openai", "openai_like": "openai",
    "litellm_proxy": "openai", "azure": "azure", "azure_text": "azure", "azure_ai": "azure", "anthropic": "anthropic",
    "gemini": "gemini", "bedrock": "bedrock", "bedrock_converse": "bedrock", "cohere": "cohere",
    "cohere_chat": "cohere", "mistral": "mistral", "ollama": "ollama", "ollama_chat": "ollama",
    "replicate": "replicate",
    "huggingface": "huggingface", "groq": "groq", "deepseek": "deepseek", "openrouter": "openrouter",
    "together_ai": "together", "fireworks_ai": "fireworks", "xai": "xai", "perplexity": "perplexity",
    "nvidia_nim": "nvidia_nim", "vllm": "vllm", "hosted_vllm": "vllm", "lm_studio": "lmstudio", "llamafile": "llamacpp",
}  # fmt: skip
# what a name without a provider is taken for, as LiteLLM does
UNPREFIXED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"gpt-|o\d|chatgpt-|text-embedding-|davinci|babbage|dall-e|tts-|whisper-|omni-moderation"), "openai"),
    (re.compile(r"claude"), "anthropic"),
    (re.compile(r"gemini"), "gemini"),
    (re.compile(r"command|embed-|rerank-"), "cohere"),
    (re.compile(r"mistral-|codestral|ministral|pixtral"), "mistral"),
)
# steps of a name that say how LiteLLM calls the model, not which it is
CALLING = {"bedrock": ("converse/", "invoke/"), "azure": ("gpt5_series/", "o_series/")}
DEFAULT_URLS: Mapping[str, str] = {"openai": "https://api.openai.com/v1"}

STRATEGIES: Mapping[str, str] = {
    "simple-shuffle": "weighted",
    "least-busy": "least_busy",
    "latency-based-routing": "latency",
    "cost-based-routing": "cost",
    "usage-based-routing": "least_busy",
    "usage-based-routing-v2": "least_busy",
}
FALLBACKS: Mapping[str, str] = {
    "fallbacks": "fallbacks",
    "context_window_fallbacks": "context_fallbacks",
    "content_policy_fallbacks": "content_fallbacks",
}
PERIODS: Mapping[str, str] = {
    "1d": "day", "24h": "day", "daily": "day", "7d": "week", "1w": "week", "weekly": "week",
    "30d": "month", "1mo": "month", "monthly": "month",
}  # fmt: skip
# names in a key's list of models that mean no list at all
EVERY_MODEL = {"all-team-models", "all-proxy-models", "*"}
# sections and keys that only concern how LiteLLM's own processes run
ITS_OWN = {
    "general_settings.database_url", "general_settings.master_key", "general_settings.salt_key",
    "general_settings.database_connection_pool_limit", "general_settings.store_model_in_db",
    "litellm_settings.set_verbose", "litellm_settings.json_logs", "litellm_settings.telemetry",
    "router_settings.redis_host", "router_settings.redis_port", "router_settings.redis_password",
    "router_settings.redis_url", "litellm_settings.drop_params",
}  # fmt: skip
