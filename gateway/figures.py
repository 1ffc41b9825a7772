"""How numbers and times are written on pages. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from billing.pricing import UNCHANGED

UNPRICED = "unpriced"
SCALES = [(10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k")]
SPANS = [
    (timedelta(days=365), "year"),
    (timedelta(days=30), "month"),
    (timedelta(days=1), "day"),
    (timedelta(hours=1), "hour"),
    (timedelta(minutes=1), "min"),
    (timedelta(seconds=1), "s"),
]
SHORT = {"min", "s"}


def money(usd: Decimal | None) -> str:
    """Return ``usd`` with as many decimals as it needs: $0.000042, $41.20, $1,204."""
    if usd is None:
        return UNPRICED
    amount = abs(usd)
    sign = "-" if usd < 0 else ""
    if amount == 0:
        return "$0.00"
    if amount >= Decimal("999.995"):
        return f"{sign}${amount.quantize(Decimal(1), ROUND_HALF_EVEN):,}"
    if amount >= Decimal("0.1"):
        return f"{sign}${amount.quantize(Decimal('0.01'), ROUND_HALF_EVEN)}"
    digits = min(10, 1 - amount.adjusted())
    return f"{sign}${amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN):f}"


def exact_money(usd: Decimal | None) -> str:
    """Return every digit: at least two decimals, no zeros after them."""
    if usd is None:
        return "a price is missing"
    whole, _, decimals = f"{abs(usd):,.10f}".partition(".")
    return f"{'-' if usd < 0 else ''}${whole}.{decimals.rstrip('0').ljust(2, '0')}"


def tokens(count: int) -> str:
    """Return a count in three digits: 9,412, 48.1 k, 1.2 M."""
    if abs(count) < 10_000:
        return f"{count:,}"
    size, letter = next((size, letter) for size, letter in SCALES if abs(count) >= size)
    scaled = count / size
    return f"{scaled:.0f} {letter}" if abs(scaled) >= 99.95 else f"{scaled:.1f} {letter}"


def duration(milliseconds: float | None) -> str:
    """Return 740 ms, 2.4 s or 3 min 20 s."""
    if milliseconds is None:
        return "–"
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def ago(moment: datetime, now: datetime) -> str:
    """Return 3 min ago, 2 days ago, in 5 hours."""
    distance = abs(now - moment)
    if distance < timedelta(seconds=5):
        return "just now"
    span, word = next((span, word) for span, word in SPANS if distance >= span)
    count = distance // span
    text = f"{count} {word}" + ("s" if count != 1 and word not in SHORT else "")
    return f"{text} ago" if moment < now else f"in {text}"


def share(part: Decimal | int, whole: Decimal | int) -> str:
    """Return a percentage; a part that is there never reads 0 %, nor one that lacks something 100 %."""
    if not whole:
        return "–"
    percent = 100 * Decimal(part) / Decimal(whole)
    if 0 < percent < Decimal("0.1"):
        return "< 0.1 %"
    if Decimal("99.9") < percent < 100:
        return "> 99.9 %"
    text = f"{percent:.1f}"
    return f"{text.removesuffix('.0')} %"


def markup(millionths: int) -> str:
    """Return a factor as what it adds or takes off: +10 %, −2.5 %; nothing where it changes nothing."""
    percent = Decimal(millionths - UNCHANGED) * 100 / UNCHANGED
    return f"{percent.normalize():+f} %".replace("-", "−") if percent else ""


def change(now: Decimal | int, before: Decimal | int) -> str:
    """Return how much more or less than ``before``: +12 %, -3 %, or nothing to compare with."""
    if not before:
        return "new" if now else "–"
    percent = round(100 * (Decimal(now) - Decimal(before)) / Decimal(before))
    return f"{percent:+,} %".replace("-", "−") if percent else "±0 %"
