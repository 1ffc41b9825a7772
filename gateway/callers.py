"""Who a caller is to the rules in accounts/roles.py, and whose spend they ask for. Asks the database."""

from __future__ import annotations

from accounts import roles
from accounts.callers import Caller
from accounts.errors import UnknownKey
from accounts.models import ApiKey, Team, User
from accounts.roles import Owner, Person
from billing import database
from billing.usage import Payer
from gateway import runtime
from gateway.asking import OwnThreads
from gateway.errors import NotAllowed
from gateway.fieldchecks import Invalid

SECONDS = 5

in_thread = OwnThreads("callers", 2).run


def person_of(caller: Caller) -> Person:
    """Return the key's user. Raises ``NotAllowed`` for a service account, which is nobody."""
    return user_of(caller).as_person()


def user_of(caller: Caller) -> User:
    if caller.user_id is None:
        raise NotAllowed("This API key belongs to a team and to no user: use a key of your own.")
    return User.objects.get(pk=caller.user_id)


async def caller_with(key_id: int) -> Caller:
    """Return who calls with this key now, for work that goes on without a request.

    Raises as ``Directory.find``, and ``DatabaseAway``.
    """
    digest = await in_thread(_digest_of, key_id)
    return await runtime.current().directory.known(digest)


def _digest_of(key_id: int) -> str:
    try:
        with database.reading(SECONDS):
            return ApiKey.objects.values_list("digest", flat=True).get(pk=key_id)
    except ApiKey.DoesNotExist:
        raise UnknownKey from None


def payer_of(caller: Caller, scope: str, team: str) -> Payer:
    """Return whose spend ``scope`` names: by default the user's, or of a service account the key's."""
    if scope == "team":
        return Payer("team", _team_seen_by(caller, team))
    if scope == "key" or (not scope and caller.user_id is None):
        return Payer("api_key", caller.key_id)
    return Payer("user", user_of(caller).pk)


def _team_seen_by(caller: Caller, name: str) -> int:
    """Return the id of the team, of the key's own where none is named."""
    if not name and caller.team_id is None:
        raise Invalid("This API key belongs to no team: name one in 'team'.", "team")
    person = person_of(caller)
    team = Team.objects.filter(name=name).first() if name else Team.objects.get(pk=caller.team_id)
    # the same answer for a team that is not there: nobody learns names by guessing
    if team is None or not roles.may(person, roles.SEE_SPEND, Owner(team_id=team.pk)):
        raise NotAllowed("Only a manager of the team, an admin or a viewer may see what it spends.")
    return team.pk
