"""Services that speak OpenAI's format: where they are, and how each differs. Data only.

``knows`` names what of the parameters beside OpenAI's a service takes, and under which name; the rest are withheld.
Services on a machine of one's own have the port they come with; to reach one, its provider's row has to allow it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from providers.adapters import openai, rankings, tokenizers, xai
from providers.adapters.formats import Format, also
from providers.adapters.shapes import Adapter
from providers.adapters.tokenizers import Tokenizer

CHAT = ("chat.completions",)
TEXT = ("chat.completions", "completions")
ALL = (*TEXT, "embeddings")
SPEAKS = ("audio.speech",)
HEARS = ("audio.transcriptions", "audio.translations")
DRAWS = ("images.generations",)

# Parameters of other servers' own: one that does not know them refuses them, or does something else.
EXTRAS = (
    "top_k", "min_p", "top_a", "typical_p", "tfz", "tfs_z", "repeat_penalty", "repetition_penalty", "repeat_last_n",
    "penalize_newline", "mirostat", "mirostat_mode", "mirostat_tau", "mirostat_eta", "min_tokens", "ignore_eos",
    "n_keep", "batch", "grammar", "grammar_json_functions", "json_schema", "logit_bias_type", "negative_prompt",
    "negative_prompt_scale", "rope_freq_base", "rope_freq_scale", "tokenizer", "backend", "model_base_name",
    "chat_template_kwargs", "cache_prompt", "id_slot", "samplers", "dry_multiplier", "dry_base", "dry_allowed_length",
    "dry_penalty_last_n", "dry_sequence_breakers", "xtc_probability", "xtc_threshold", "lora", "n_probs", "n_predict",
    "step", "clip_skip", "mode", "files", "ref_images", "translate", "sample_rate",
)  # fmt: skip
# Of speech, what some services do without; of pictures, what only OpenAI's own models know.
UNSPOKEN = ("stream_format", "instructions")
UNDRAWN = ("quality", "style", "background", "moderation", "output_format", "output_compression", "partial_images")
LLAMACPP_OWN = (
    "json_schema", "cache_prompt", "id_slot", "samplers", "dry_multiplier", "dry_base", "dry_allowed_length",
    "dry_penalty_last_n", "dry_sequence_breakers", "xtc_probability", "xtc_threshold", "lora", "n_probs", "n_predict",
)  # fmt: skip


def knows(*names: str, but: tuple[str, ...] = (), **renamed: str) -> dict[str, bool | str]:
    """Return a service's ``parameters``: it knows ``names``, and not those of ``but`` that OpenAI has."""
    return {**dict.fromkeys((*EXTRAS, *but), False), **dict.fromkeys(names, True), **renamed}


def host(
    base_url: str,
    price_book: str = "",
    operations: tuple[str, ...] = ALL,
    *,
    ranks: Format | None = None,
    tokenizer: Tokenizer | None = None,
    **quirks: Any,
) -> Adapter:
    """Return a service's adapter. ``ranks``: how it is asked for rankings, ``tokenizer``: for its model's tokens."""
    formats = tokenizers.formats(tokenizer, base_url) if tokenizer is not None else {}
    if ranks is not None:
        formats["rerank"] = ranks
    own = replace(openai.ADAPTER, base_url=base_url, price_book=price_book, operations=operations, quirks=quirks)
    return also(own, formats) if formats else own


# Reasoning's name there; our callers know it as reasoning_content, in answers and in the history they send.
REASONING: Mapping[str, Any] = {
    "answers": {"reasoning": "reasoning_content"},
    "messages": {"reasoning_content": "reasoning"},
}

HOSTS: Mapping[str, Adapter] = {
    "groq": host(
        "https://api.groq.com/openai/v1",
        "groq",
        (*CHAT, *SPEAKS, *HEARS),
        parameters=knows(
            "sample_rate",
            but=("n", "logprobs", "top_logprobs", "logit_bias", "frequency_penalty", "presence_penalty", "prediction",
                 *UNSPOKEN),
        ),
        functions="translate",
        answers=REASONING["answers"],
        messages={**REASONING["messages"], "name": False},
        usage_in="x_groq.usage",
        error_in="x_groq.error",
    ),
    "deepseek": host(
        "https://api.deepseek.com/v1",
        "deepseek",
        CHAT,
        parameters=knows(but=("n", "logit_bias"), max_completion_tokens="max_tokens"),
        functions="translate",
        usage={"prompt_cache_hit_tokens": "prompt_tokens_details.cached_tokens"},
    ),
    "openrouter": host(
        "https://openrouter.ai/api/v1",
        "openrouter",
        parameters=knows("top_k", "top_a", "min_p", "repetition_penalty", repeat_penalty="repetition_penalty"),
        functions="translate",
        **REASONING,
    ),
    "together": host(
        "https://api.together.ai/v1",
        "together",
        (*ALL, *DRAWS, *SPEAKS, *HEARS),
        parameters=knows(
            "top_k", "min_p", "repetition_penalty", "chat_template_kwargs", "negative_prompt", "sample_rate",
            but=("dimensions", "service_tier", "store", "metadata", "web_search_options", "modalities", "audio",
                 *UNSPOKEN, *UNDRAWN),
            repeat_penalty="repetition_penalty", max_completion_tokens="max_tokens", step="steps",
        ),
        images="sides",
        ranks=rankings.jina(),
        functions="translate",
        stream_usage=False,
        encoding_format="floats_only",
        logprobs="count",
        **REASONING,
    ),
    "fireworks": host(
        "https://api.fireworks.ai/inference/v1",
        "fireworks",
        parameters=knows(
            "top_k", "min_p", "typical_p", "repetition_penalty", "ignore_eos", "grammar",
            repeat_penalty="repetition_penalty", mirostat_tau="mirostat_target", mirostat_eta="mirostat_lr",
            max_completion_tokens="max_tokens",
        ),
        functions="translate",
        encoding_format="floats_only",
        grammar="response_format",
    ),
    "xai": replace(
        host(
            "https://api.x.ai/v1",
            "x-ai",
            (*TEXT, *DRAWS, *SPEAKS),
            parameters=knows(but=("size", "speed", *UNSPOKEN, *UNDRAWN)),
            functions="translate",
            reasoning_tokens="beside",
        ),
        encode=xai.encode,
        parameters={"audio.speech": xai.PARAMETERS},
        unknown=xai.unknown,
    ),
    "perplexity": host(
        "https://api.perplexity.ai",
        "perplexity",
        CHAT,
        parameters=knows(
            "top_k",
            but=(
                "n", "tools", "tool_choice", "functions", "function_call", "parallel_tool_calls", "logprobs",
                "top_logprobs", "logit_bias", "seed", "user", "store", "metadata", "service_tier", "modalities",
                "audio",
            ),
            max_completion_tokens="max_tokens",
        ),
        stream_usage=False,
        citations="annotations",
    ),
    "nvidia_nim": host(
        "https://integrate.api.nvidia.com/v1",
        "nvidia_nim",
        parameters=knows(but=("store", "metadata", "service_tier"), max_completion_tokens="max_tokens"),
        functions="translate",
        encoding_format="floats_only",
        answers=REASONING["answers"],
    ),
    "vllm": host(
        "http://localhost:8000/v1",
        operations=(*ALL, *SPEAKS, *HEARS),
        ranks=rankings.jina(),
        tokenizer=tokenizers.VLLM,
        parameters=knows(
            "top_k", "min_p", "repetition_penalty", "min_tokens", "ignore_eos", "chat_template_kwargs",
            repeat_penalty="repetition_penalty", grammar="structured_outputs.grammar",
            grammar_json_functions="structured_outputs.json",
        ),
        functions="translate",
        **REASONING,
    ),
    "llamacpp": host(
        "http://localhost:8080/v1",
        ranks=rankings.jina(),
        tokenizer=tokenizers.LLAMACPP,
        parameters=knows(
            "top_k", "min_p", "typical_p", "repeat_penalty", "repeat_last_n", "mirostat", "mirostat_tau",
            "mirostat_eta", "ignore_eos", "n_keep", "grammar", "logit_bias_type", "chat_template_kwargs", *LLAMACPP_OWN,
            but=("best_of", "echo", "suffix"),
            repetition_penalty="repeat_penalty", mirostat_mode="mirostat", grammar_json_functions="json_schema",
        ),
        functions="translate",
    ),
    "llama_cpp_python": host(
        "http://localhost:8000/v1",
        tokenizer=tokenizers.LLAMA_CPP_PYTHON,
        parameters=knows(
            "top_k", "min_p", "repeat_penalty", "mirostat_mode", "mirostat_tau", "mirostat_eta", "min_tokens",
            "grammar", "logit_bias_type",
            but=("n", "best_of", "user", "dimensions"),
            repetition_penalty="repeat_penalty", mirostat="mirostat_mode", max_completion_tokens="max_tokens",
        ),
        stream_usage=False,
        encoding_format="floats_only",
        json_schema="json_object",
    ),
    "localai": host(
        "http://localhost:8080/v1",
        operations=(*ALL, *DRAWS, *SPEAKS, *HEARS),
        ranks=rankings.jina(),
        tokenizer=tokenizers.LOCALAI,
        parameters=knows(
            "top_k", "min_p", "typical_p", "tfz", "repeat_penalty", "repeat_last_n", "ignore_eos", "n_keep", "batch",
            "grammar", "grammar_json_functions", "negative_prompt", "negative_prompt_scale", "rope_freq_base",
            "rope_freq_scale", "tokenizer", "model_base_name", "backend", "step", "clip_skip", "mode", "files",
            "ref_images", "sample_rate",
            but=("stream_format",),
            repetition_penalty="repeat_penalty", max_completion_tokens="max_tokens",
        ),
        encoding_format="floats_only",
        translations="asked",
    ),
    "jina": host(
        "https://api.jina.ai/v1",
        "jina",
        ("embeddings",),
        ranks=rankings.jina(),
        parameters=knows(),
        encoding_format="floats_only",
    ),
    "tei": host(
        "http://localhost:8080/v1",
        operations=("embeddings",),
        ranks=rankings.tei("http://localhost:8080/v1"),
        parameters=knows(),
        encoding_format="floats_only",
    ),
    "lmstudio": host(
        "http://localhost:1234/v1",
        parameters=knows(
            "top_k", "min_p", "repeat_penalty",
            but=("n", "best_of", "dimensions"),
            repetition_penalty="repeat_penalty", max_completion_tokens="max_tokens",
        ),
        functions="translate",
        encoding_format="floats_only",
    ),
}  # fmt: skip
