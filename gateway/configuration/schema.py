"""What tollgate.yaml may say. Pure: shapes and ranges; what needs the database is checked where it is applied."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from billing.pricing import MOST_MARKUP, MOST_USD, UNCHANGED
from gateway.configuration.amounts import MOST_A_MINUTE, AlertEntry, AmountEntry, BudgetEntry, LimitsEntry
from gateway.configuration.entry import Email, Entry, LongName, Model, Moment, Name, Network
from providers import caching, cooldown, hedging

MILLION = (
    "input", "cached_input", "cache_write", "cache_write_1h", "output", "reasoning", "audio_in", "audio_out",
    "image_in", "image_out",
)  # fmt: skip
SINGLE = ("image", "second", "character", "request")

# Names of the contract that nothing enforces yet: refused, never stored silently. Indexes are left out of the paths.
NOT_BUILT = {
    "settings.store_prompts",
}  # fmt: skip


def _for_ever_or_long(months: int) -> int:
    if months and not 2 <= months <= 1200:
        raise PydanticCustomError("retention", "must be 0 (for ever), or at least 2 whole months")
    return months


Usd = Annotated[Decimal, Field(ge=0, le=MOST_USD["million"], decimal_places=10)]
UsdEach = Annotated[Decimal, Field(ge=0, le=MOST_USD["one"], decimal_places=10)]
Factor = Annotated[Decimal, Field(ge=0, le=MOST_MARKUP // UNCHANGED, decimal_places=6)]


class SettingsEntry(Entry):
    unpriced: Literal["block", "allow"] | None = None
    on_unsupported: Literal["drop", "refuse"] | None = None
    retention_months: Annotated[int, AfterValidator(_for_ever_or_long)] | None = None
    bound_margin: float | None = Field(default=None, ge=1, le=10)
    embedding_model: Model | None = None
    alerts: list[AlertEntry] | None = None


class TimeoutsEntry(Entry):
    """Seconds."""

    connect: float | None = Field(default=None, gt=0, le=86_400)
    first_byte: float | None = Field(default=None, gt=0, le=86_400)
    chunk: float | None = Field(default=None, gt=0, le=86_400)
    total: float | None = Field(default=None, gt=0, le=86_400)


def _within(range: tuple[float, float]) -> Any:
    return Field(default=None, ge=range[0], le=range[1])


class CooldownEntry(Entry):
    """When a failing target is left alone; what is not said is the provider's, or the default."""

    enabled: bool | None = None
    attempts: int | None = _within(cooldown.RANGES["attempts"])
    share: float | None = _within(cooldown.RANGES["share"])
    window: float | None = _within(cooldown.RANGES["window"])
    seconds: float | None = _within(cooldown.RANGES["seconds"])


class HedgeEntry(Entry):
    """When a second target is asked beside a slow one."""

    after_percentile: float | None = _within(hedging.RANGES["after_percentile"])
    min_ms: float | None = _within(hedging.RANGES["min_ms"])


class CacheEntry(Entry):
    """For how many seconds an answer is given again, and to whom; ``{}`` switches it off."""

    ttl: int | None = _within(caching.RANGES["ttl"])
    share: Literal["key", "team", "all"] | None = None

    @model_validator(mode="after")
    def _has_a_time(self) -> CacheEntry:
        if self.share is not None and self.ttl is None:
            raise PydanticCustomError("ttl", "ttl is missing: for how many seconds an answer stands")
        return self


class HealthEntry(Entry):
    """Where and how often a provider is asked whether it lives; ``every`` is in seconds."""

    path: Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=200)] = "/models"
    every: float = Field(ge=5, le=240)


class OptionsEntry(Entry):
    """What a provider may be told: all of them, those of one format (docs/configuration.md), and at last the demo."""

    allow_private: bool | None = None
    timeouts: TimeoutsEntry | None = None
    headers: dict[str, str] | None = None
    cooldown: CooldownEntry | None = None
    health: HealthEntry | None = None
    anthropic_version: str | None = None
    anthropic_beta: list[str] | None = None
    region: str | None = None
    api: Literal["v1", "deployments"] | None = None
    api_version: str | None = None
    auth: Literal["key", "entra"] | None = None
    input_type: str | None = None
    ollama_options: dict[str, Any] | None = None
    input: dict[str, Any] | None = None
    first_token_ms: float | None = Field(default=None, ge=0)
    tokens_per_second: float | None = Field(default=None, ge=0)
    failure_rate: float | None = Field(default=None, ge=0, le=1)
    tokens: int | None = Field(default=None, ge=0)


class QuirksEntry(Entry):
    """How an upstream differs from the wire format it says it speaks; ``providers.quirks`` says what values hold."""

    stream_usage: Any = None
    functions: Any = None
    encoding_format: Any = None
    image_tokens: Any = None
    parameters: Any = None
    messages: Any = None
    inputs: Any = None
    answers: Any = None
    usage: Any = None
    usage_in: Any = None
    error_in: Any = None
    reasoning_tokens: Any = None
    citations: Any = None
    logprobs: Any = None
    grammar: Any = None
    json_schema: Any = None
    images: Any = None
    translations: Any = None
    responses: Any = None
    completions: Any = None
    capabilities: Any = None


class ProviderEntry(Entry):
    name: Name
    adapter: str | None = None
    base_url: Annotated[str, StringConstraints(max_length=500)] | None = None
    secret: str | None = Field(default=None, repr=False)
    options: OptionsEntry | None = Field(default=None, repr=False)
    quirks: QuirksEntry | None = None
    price_book: Annotated[str, StringConstraints(max_length=100)] | None = None


class TargetEntry(Entry):
    provider: Name
    upstream_model: Annotated[str, StringConstraints(max_length=200)] = ""
    priority: int = Field(default=0, ge=0, le=1000)
    weight: int = Field(default=1, ge=0, le=10_000)
    timeout: float | None = Field(default=None, gt=0, le=86_400)
    rpm: int | None = Field(default=None, ge=0, le=MOST_A_MINUTE)
    tpm: int | None = Field(default=None, ge=0, le=MOST_A_MINUTE)
    context_window: int | None = Field(default=None, ge=1, le=10**9)
    max_output: int | None = Field(default=None, ge=1, le=10**9)


class RouteEntry(Entry):
    model: Model
    aliases: list[Model] | None = None
    operations: list[str] | None = None
    strategy: Literal["ordered", "weighted", "latency", "least_busy", "cost"] | None = None
    targets: list[TargetEntry] | None = Field(default=None, min_length=1)
    retries: int | None = Field(default=None, ge=0, le=10)
    fallbacks: list[LongName] | None = Field(default=None, max_length=20)
    context_fallbacks: list[LongName] | None = Field(default=None, max_length=20)
    content_fallbacks: list[LongName] | None = Field(default=None, max_length=20)
    deadline: float | None = Field(default=None, ge=0, le=86_400)
    cooldown: CooldownEntry | None = None
    hedge: HedgeEntry | None = None
    cache: CacheEntry | None = None
    unpriced: Literal["block", "allow"] | None = None
    on_unsupported: Literal["drop", "refuse"] | None = None
    fallback_access: Literal["key", "all"] | None = None
    client_gone: Literal["estimate", "read_on"] | None = None
    interrupted: Literal["estimate", "bound"] | None = None
    default: bool | None = None
    limits: LimitsEntry | None = None
    budgets: list[AmountEntry] | None = None


class PriceEntry(Entry):
    """USD of each component since ``from``: per million tokens, or per one of what ``per`` or the component names."""

    provider: Name
    upstream_model: LongName
    since: Moment | None = Field(default=None, alias="from")
    per: Literal["million", "image", "second", "character", "request"] | None = None
    above_tokens: int = Field(default=0, ge=0)
    service_tier: Annotated[str, StringConstraints(max_length=32)] = ""
    variant: Annotated[str, StringConstraints(max_length=64, to_lower=True)] = ""
    input: Usd | None = None
    cached_input: Usd | None = None
    cache_write: Usd | None = None
    cache_write_1h: Usd | None = None
    output: Usd | None = None
    reasoning: Usd | None = None
    audio_in: Usd | None = None
    audio_out: Usd | None = None
    image_in: Usd | None = None
    image_out: Usd | None = None
    image: UsdEach | None = None
    second: UsdEach | None = None
    character: UsdEach | None = None
    request: UsdEach | None = None

    @model_validator(mode="after")
    def _has_amounts(self) -> PriceEntry:
        given = self.given(*MILLION, *SINGLE)
        if not given:
            raise PydanticCustomError("amounts", "names no amount, such as input: 2.50")
        if self.per in SINGLE and set(given) - {self.per} and (len(given) > 1 or not set(given) <= {"input", "output"}):
            raise PydanticCustomError(
                "per", "per: {per} takes one amount, under {per}, input or output", {"per": self.per}
            )
        if self.per in SINGLE and max(given.values()) > MOST_USD["one"]:
            raise PydanticCustomError("amount", f"must be at most {MOST_USD['one']} USD per {self.per}")
        if self.variant and self.amounts().keys() != {"image"}:
            raise PydanticCustomError("variant", "variant: is of image prices only")
        return self

    def amounts(self) -> dict[str, Decimal]:
        """Return USD by component; its unit is one for those of ``SINGLE``, a million otherwise."""
        given: dict[str, Decimal] = self.given(*MILLION, *SINGLE)
        if self.per in SINGLE:
            return {self.per: next(iter(given.values()))}
        return given


class MarkupEntry(Entry):
    """The factor on the prices of a model, or all, for a team, or everybody, since ``from``."""

    team: LongName | None = None
    model: LongName | None = None
    factor: Factor
    since: Moment | None = Field(default=None, alias="from")


class TeamEntry(Entry):
    name: LongName
    models: list[LongName] | None = None
    managers: list[Email] | None = None
    markup: Factor | None = None
    limits: LimitsEntry | None = None
    budgets: list[BudgetEntry] | None = None


class UserEntry(Entry):
    email: Email
    role: Literal["admin", "viewer", "member"] | None = None
    teams: list[LongName] | None = None
    limits: LimitsEntry | None = None
    budgets: list[BudgetEntry] | None = None


class KeyEntry(Entry):
    """A key that exists, found by its name and, where that is not enough, its user or team."""

    name: LongName
    user: Email | None = None
    team: LongName | None = None
    models: list[LongName] | None = None
    addresses: list[Network] | None = None
    may_override: bool | None = None
    expires: Moment | None = None
    limits: LimitsEntry | None = None
    budgets: list[BudgetEntry] | None = None


class Configuration(Entry):
    settings: SettingsEntry = Field(default_factory=SettingsEntry)
    providers: list[ProviderEntry] = []
    routes: list[RouteEntry] = []
    prices: list[PriceEntry] = []
    markups: list[MarkupEntry] = []
    budgets: list[BudgetEntry] | None = None
    teams: list[TeamEntry] = []
    users: list[UserEntry] = []
    keys: list[KeyEntry] = []


# where each shape stands, indexes left out
SHAPES: dict[str, type[Entry]] = {
    "": Configuration,
    "settings": SettingsEntry,
    "settings.alerts": AlertEntry,
    "providers": ProviderEntry,
    "providers.options": OptionsEntry,
    "providers.options.timeouts": TimeoutsEntry,
    "providers.options.cooldown": CooldownEntry,
    "providers.options.health": HealthEntry,
    "providers.quirks": QuirksEntry,
    "routes": RouteEntry,
    "routes.targets": TargetEntry,
    "routes.cooldown": CooldownEntry,
    "routes.hedge": HedgeEntry,
    "routes.cache": CacheEntry,
    "routes.limits": LimitsEntry,
    "routes.budgets": AmountEntry,
    "prices": PriceEntry,
    "markups": MarkupEntry,
    "budgets": BudgetEntry,
    **{
        f"{section}{inside}": shape
        for section, own in (("teams", TeamEntry), ("users", UserEntry), ("keys", KeyEntry))
        for inside, shape in (("", own), (".limits", LimitsEntry), (".budgets", BudgetEntry))
    },
}
