"""What the shapes of tollgate.yaml are made of. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints
from pydantic_core import PydanticCustomError


class Entry(BaseModel):
    """One object of the file. What it does not say stays as it is (``model_fields_set`` tells)."""

    model_config = ConfigDict(extra="forbid", populate_by_name=False)

    def given(self, *names: str) -> dict[str, Any]:
        """Return what the file says of ``names``, in values that a JSON column takes; a null says nothing."""
        said = {name: getattr(self, name) for name in names if name in self.model_fields_set}
        return {name: _plain(value) for name, value in said.items() if value is not None}


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_none=True) if isinstance(value, Entry) else value


def _moment(value: Any) -> Any:
    """A day begins at 00:00 UTC, and a time without a zone is UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return value
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def _family(name: str) -> str:
    if "*" in name[:-1]:
        raise PydanticCustomError("family", "may have a * at its end only")
    return name


def _network(address: str) -> str:
    try:
        return str(ip_network(address, strict=False))
    except ValueError:
        raise PydanticCustomError("network", "must be an address or a network such as 10.0.0.0/8") from None


Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
LongName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Email = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, max_length=254)]
Model = Annotated[LongName, AfterValidator(_family)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Network = Annotated[str, AfterValidator(_network)]
