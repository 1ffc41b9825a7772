"""The figures Tollgate promises, row by row: what was measured, what was aimed at, whether it was met. Pure."""

from collections.abc import Iterable, Mapping
from statistics import median
from typing import NamedTuple

DIRECT, TOLLGATE, LITELLM, PORTKEY = "direct", "Tollgate", "LiteLLM", "Portkey"
COLUMNS = (TOLLGATE, LITELLM, PORTKEY, DIRECT)

MEGABYTES_AIMED = 260
FLAT_SHARE = 0.02
START_SECONDS_AIMED = 5.0
DEPARTURE_MS_AIMED = 100
BUDGETS_US_AIMED = 60


class Row(NamedTuple):
    """``met`` is None where nothing was there to compare with."""

    measure: str
    cells: Mapping[str, str]
    ratios: str
    aim: str
    met: bool | None


def speed(measure: str, samples: Mapping[str, list[float]], aims: Mapping[str, float]) -> Row:
    """Higher is better; ``aims`` says how many times each peer's figure is wanted."""
    middle = _middles(samples)
    ratios = {peer: middle[TOLLGATE] / middle[peer] for peer in (LITELLM, PORTKEY) if middle.get(peer)}
    judged = [ratios[peer] >= factor for peer, factor in aims.items() if peer in ratios]
    return Row(
        measure,
        {name: f"{value:,.0f}" for name, value in middle.items()},
        _listed(f"{ratio:.1f} x {peer}" for peer, ratio in ratios.items()),
        _listed(f"{factor:g} x {peer}" for peer, factor in aims.items()),
        all(judged) if judged else None,
    )


def added_latency(samples: Mapping[str, list[float]]) -> Row:
    """``samples`` are the medians of whole calls in ms; what counts is the part that a direct call does not have."""
    whole = _middles(samples)
    added = {name: value - whole[DIRECT] for name, value in whole.items() if name != DIRECT}
    shares = {peer: added[TOLLGATE] / added[peer] for peer in (LITELLM, PORTKEY) if peer in added}
    allowed = {LITELLM: 0.1, PORTKEY: 1.0}
    return Row(
        "added latency, 1 connection, p50, ms",
        {name: f"{value:.2f}" for name, value in added.items()} | {DIRECT: f"({whole[DIRECT]:.2f} whole)"},
        _listed(f"{share:.2f} x {peer}" for peer, share in shares.items()),
        "at most 0.1 x LiteLLM, 1 x Portkey",
        all(shares[peer] <= allowed[peer] for peer in shares) if shares else None,
    )


def memory(start: float, half: float, end: float, tree: float, requests: int) -> Row:
    growth = (end - half) / half
    return Row(
        f"memory of the web process after {requests:,} requests, MB",
        {TOLLGATE: f"{end:.0f} (start {start:.0f}, half way {half:.0f}, whole tree {tree:.0f})"},
        f"{growth:+.1%} over the last half",
        f"below {MEGABYTES_AIMED}, flat over the last half (within {FLAT_SHARE:.0%})",
        end < MEGABYTES_AIMED and growth <= FLAT_SHARE,
    )


def not_loaded(wanted_absent: list[str], found: set[str], sight_works: bool) -> Row:
    """``sight_works``: a package that must be there was seen, so that not seeing one means something."""
    return Row(
        f"the web process loads neither {' nor '.join(wanted_absent)}",
        {TOLLGATE: ", ".join(sorted(found)) or "neither"},
        "",
        "neither",
        not found if sight_works else None,
    )


def exact_records(recorded: int, answered: int, ledger_clean: bool) -> Row:
    verdict = "verify_ledger clean" if ledger_clean else "verify_ledger finds differences"
    return Row(
        "usage records after the run",
        {TOLLGATE: f"{recorded:,} for {answered:,} answered requests; {verdict}"},
        "",
        "exactly the number of answered requests",
        recorded == answered and ledger_clean,
    )


def budgets(without: list[float], having: list[float], count: int) -> Row:
    """Both are CPU microseconds of the whole web tree per request, in rounds."""
    added = median(having) - median(without)
    return Row(
        f"CPU that reserving from {count} budgets and settling adds to a request, µs",
        {TOLLGATE: f"{added:.0f} (on {median(without):.0f})"},
        "",
        f"below {BUDGETS_US_AIMED}",
        added < BUDGETS_US_AIMED,
    )


def start(fresh: float, again: float) -> Row:
    return Row(
        "`serve`, process start to first answer, s",
        {TOLLGATE: f"{fresh:.1f} on an empty folder, {again:.1f} after that"},
        "",
        f"{START_SECONDS_AIMED:g}",
        max(fresh, again) <= START_SECONDS_AIMED,
    )


def departures(server: str, middle: float, worst: float) -> Row:
    return Row(
        f"client gone to upstream let go, {server.capitalize()}, ms",
        {TOLLGATE: f"{middle:.0f} (worst {worst:.0f})"},
        "",
        f"at most {DEPARTURE_MS_AIMED}",
        worst <= DEPARTURE_MS_AIMED,
    )


def _middles(samples: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: median(values) for name, values in samples.items() if values}


def _listed(parts: Iterable[str]) -> str:
    return ", ".join(parts)
