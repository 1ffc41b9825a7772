"""``tollgate issue_key``: a new API key, its secret alone on standard output."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta

from django.core.management.base import CommandError
from django.db import transaction
from django.utils import timezone

from accounts.audit import audited
from accounts.issuing import NotIssued, issue
from accounts.models import Membership, Team, User
from accounts.operators import operator
from accounts.people import NoAddress, user_with
from gateway.management.base import GatewayCommand


class Command(GatewayCommand):
    help = "Issue an API key. The secret is printed once, alone, on standard output."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", required=True, metavar="EMAIL", help="made where the address is new")
        parser.add_argument("--team", metavar="T", help="the team that pays; the user joins it")
        parser.add_argument("--name", default="", metavar="N")
        parser.add_argument("--models", nargs="+", default=[], metavar="GLOB", help='such as "gpt-*"; all where absent')
        parser.add_argument("--expires", type=int, metavar="DAYS")

    def handle(self, *args: object, **options: object) -> None:
        try:
            with audited(operator("issue_key")):
                secret = self._issue(options)
        except (NoAddress, NotIssued) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(secret)

    @transaction.atomic
    def _issue(self, options: dict) -> str:
        team = _team(options["team"])
        user = self._member(options["user"], team)
        expires_at = _expiry(options["expires"])
        new = issue(user=user, team=team, name=options["name"], models=options["models"], expires_at=expires_at)
        return new.secret

    def _member(self, email: str, team: Team | None) -> User:
        user, is_new = user_with(email)
        if is_new:
            self.stderr.write(f"Made the user {user.email}.")
        if team is not None and Membership.objects.get_or_create(user=user, team=team)[1]:
            self.stderr.write(f"{user.email} is now a member of the team {team.name}.")
        return user


def _team(name: str | None) -> Team | None:
    if name is None:
        return None
    try:
        return Team.objects.get(name=name)
    except Team.DoesNotExist:
        raise CommandError(f"there is no team {name!r}: make it in the admin or with 'tollgate apply'") from None


def _expiry(days: int | None):
    if days is None:
        return None
    if days < 1:
        raise CommandError("--expires takes a number of days, 1 or more")
    return timezone.now() + timedelta(days=days)
