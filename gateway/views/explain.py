"""GET /v1/requests/{request_id}/explain: why a call went where it went, and how its cost came about."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from django.db.models import Q
from rest_framework.request import Request

from accounts import roles
from accounts.callers import Caller
from billing import database
from billing.models import UsageRecord
from gateway import explained
from gateway.asking import in_database
from gateway.errors import UnknownRecord
from gateway.replies import Reply
from gateway.views.api import ApiView, inquiry_of

REQUEST_ID = re.compile(r"req_[0-9a-f]{32}")
# A record is in the ledger about a second after its answer; who asks at once need not ask again.
PAUSES = (0.3, 0.5, 0.7, 1.0)


class Explain(ApiView):
    """Explain one request: of one's own, or for an admin anybody's."""

    async def get(self, request: Request, request_id: str) -> Reply:
        if not REQUEST_ID.fullmatch(request_id):
            raise UnknownRecord
        for pause in (*PAUSES, None):
            found = await in_database(_read, inquiry_of(request).caller, request_id)
            if found is not None:
                return Reply.json(found)
            if pause is not None:
                await asyncio.sleep(pause)
        raise UnknownRecord


def _read(caller: Caller, request_id: str) -> dict[str, Any] | None:
    with database.reading():
        seen = _seen_by(caller)
        records = UsageRecord.objects.filter(seen, request_id=request_id)
        record = records.select_related("user", "team", "api_key").order_by("pk").first()
        return None if record is None else explained.described(record, for_admin=caller.role == roles.ADMIN, sees=seen)


def _seen_by(caller: Caller) -> Q:
    if caller.role == roles.ADMIN:
        return Q()
    own = Q(api_key=caller.key_id)
    return own if caller.user_id is None else own | Q(user=caller.user_id)
