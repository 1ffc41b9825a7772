"""Template filters that write figures as every page does, the exact value on hover."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing import reports
from billing.fields import to_usd
from billing.models import UsageRecord
from billing.reports import Sums
from billing.reprice import Line
from gateway import figures

register = template.Library()


@register.filter
def money(usd: Decimal | None) -> SafeString:
    if usd is None:
        return format_html('<span class="tg-unpriced" title="A price is missing">{}</span>', figures.UNPRICED)
    return format_html('<span class="tg-figure" title="{}">{}</span>', figures.exact_money(usd), figures.money(usd))


@register.filter
def atoms(amount: int) -> SafeString:
    return money(to_usd(amount))


@register.filter
def before(line: Line) -> SafeString:
    """What the records of a reprice run cost now."""
    return spent(Sums(line.records, 0, to_usd(line.old), line.priced + line.unpriced))


@register.filter
def after(line: Line) -> SafeString:
    """What they cost once corrected."""
    return spent(Sums(line.records, 0, to_usd(line.new), line.unpriced))


@register.filter
def number(count: int) -> str:
    return f"{count:,}"


@register.filter
def price(usd: Decimal) -> SafeString:
    """A price shows every digit: 0.625 is not 0.62."""
    return format_html('<span class="tg-figure">{}</span>', figures.exact_money(usd))


@register.filter
def spent(sums: Sums) -> SafeString:
    """What was spent at least: unpriced requests are in no sum."""
    if not sums.unpriced:
        return money(sums.cost)
    if sums.unpriced == sums.requests:
        return money(None)
    text = '<span class="tg-figure" title="{} and {} unpriced">≥ {}</span>'
    return format_html(text, figures.exact_money(sums.cost), sums.unpriced, figures.money(sums.cost))


@register.filter
def tokens(count: int | None) -> SafeString:
    count = count or 0
    return format_html('<span class="tg-figure" title="{}">{}</span>', f"{count:,}", figures.tokens(count))


@register.filter
def counted(count: int | None) -> SafeString | str:
    """A count that may be unknown, which is not 0."""
    return tokens(count) if isinstance(count, int) else "–"


@register.filter
def signed(usd: Decimal) -> SafeString:
    """A difference of money: more or less."""
    text = figures.money(abs(usd))
    sign = "+" if usd > 0 else "−" if usd < 0 else ""
    return format_html('<span class="tg-figure" title="{}">{}{}</span>', figures.exact_money(usd), sign, text)


@register.filter
def signed_percent(share: Decimal) -> str:
    text = f"{share:+.1f} %".replace("-", "−")
    return "0.0 %" if text[1:] == "0.0 %" else text


def quantity(atoms: int, unit: str) -> SafeString:
    """Return atoms of a budget's unit as money or a count; what is counted stands beside it."""
    return money(to_usd(atoms)) if unit == "usd" else tokens(atoms)


@register.filter
def duration(milliseconds: float | None) -> str:
    return figures.duration(milliseconds)


@register.filter
def ago(moment: datetime | None, otherwise: str = "never") -> SafeString | str:
    if moment is None:
        return otherwise
    return format_html(
        '<time class="tg-figure" datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        absolute(moment),
        figures.ago(moment, timezone.now()),
    )


@register.filter
def absolute(moment: datetime) -> str:
    local = timezone.localtime(moment)
    return f"{local:%-d %b %Y %H:%M:%S} {local.tzname()}"


@register.filter
def share(part: Decimal | int, whole: Decimal | int) -> str:
    return figures.share(part, whole)


@register.filter
def change(now: Decimal | int, before: Decimal | int) -> str:
    return figures.change(now, before)


TONES = {
    "client_gone": "",
    "cancelled": "",
    "upstream_error": "tg-bad",
    "timeout": "tg-bad",
    "interrupted": "tg-warn",
}


@register.filter
def status(word: str) -> SafeString:
    """What is as it should be is plain; the rest is a pill."""
    if word == "completed":
        return format_html('<span class="tg-subtle">{}</span>', word)
    return format_html('<span class="tg-pill {}">{}</span>', TONES.get(word, ""), word.replace("_", " "))


@register.filter
def tokens_of(record: UsageRecord) -> int:
    return reports.tokens_of(record)


@register.filter
def exact(usd: Decimal | None) -> SafeString | str:
    return money(None) if usd is None else figures.exact_money(usd)


@register.filter
def split(words: str) -> list[str]:
    return words.split()


@register.filter
def words(name: str) -> str:
    return name.replace("_", " ")


@register.filter
def at(mapping: dict[str, str], name: str) -> str:
    return mapping.get(name, "")


@register.filter
def percent(part: Decimal | int, whole: Decimal | int) -> float:
    return round(float(100 * part / whole), 1) if whole else 0.0
