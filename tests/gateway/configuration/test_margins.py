"""Margins and discounts of a file become dated factors, and no row is ever edited."""

from __future__ import annotations

import pytest
from django.utils import timezone

from billing import prices
from billing.models import Markup

pytestmark = pytest.mark.django_db

TEAM = "teams: [{name: data, markup: 1.10}]"


def factor(team=None, *models):
    team_id = Markup.objects.filter(team__name=team).values_list("team", flat=True).first()
    return prices.load_markups().of(team_id, models, timezone.now())


def test_a_teams_markup_is_in_force_at_once_and_changing_it_is_a_new_row(apply):
    apply(TEAM)
    assert apply(TEAM) == "Nothing to change.\n"
    assert factor("data", "gpt-4o") == 1_100_000
    apply(TEAM.replace("1.10", "0.95"))
    assert factor("data", "gpt-4o") == 950_000
    assert [row.millionths for row in Markup.objects.order_by("valid_from")] == [1_100_000, 950_000]
    assert "teams[0].markup" not in apply("teams: [{name: data}]")
    assert Markup.objects.count() == 2


def test_the_most_specific_factor_counts(apply):
    apply(f"""{TEAM}
markups:
  - {{factor: 1.01}}
  - {{model: "gpt-*", factor: 1.02}}
  - {{team: data, model: "gpt-*", factor: 1.03}}
  - {{team: data, model: gpt-4o, factor: 1.04}}
  - {{team: data, model: o3, factor: 9, from: 2099-01-01}}""")
    assert [factor(team, *names) for team, names in (
        ("data", ["gpt-4o"]), ("data", ["gpt-5"]), ("data", ["o3"]), ("nobody", ["gpt-5"]), ("nobody", ["o3"]),
    )] == [1_040_000, 1_030_000, 1_100_000, 1_020_000, 1_010_000]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("markups: [{team: data, factor: 1.1}]", "there is no team 'data'"),
        ("markups: [{factor: 11}]", "less than or equal to 10"),
        ("markups: [{factor: -0.1}]", "greater than or equal to 0"),
        ("markups: [{factor: 1.1}, {factor: 1.2}]", "another factor from the same moment"),
        ("teams: [{name: data, markup: 1.0000001}]", "decimal places"),
    ],
)
def test_what_is_no_factor_is_refused(text, problem, refused):
    assert problem in refused(text)[0]
    assert not Markup.objects.exists()
