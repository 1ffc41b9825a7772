"""What is wrong with a configuration, in lines that name the place and the remedy. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.configuration.amounts import AmountEntry
from gateway.configuration.document import Document, Path, Problem, Unusable, read
from gateway.configuration.entry import Entry
from gateway.configuration.schema import NOT_BUILT, SHAPES, Configuration

NOT_BUILT_YET = "not built yet: nothing would enforce it, so it is refused; take the key out"
# where pydantic's own words speak of Python
MESSAGES = {
    "missing": "is missing",
    "model_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "list_type": "must be a list",
    "string_type": "must be text; put it in quotes",
}


def understand(text: str, environment: Mapping[str, str]) -> tuple[Configuration, Document]:
    """Return what the text configures, and where each thing stands in it. Raises ``Unusable``."""
    document = read(text, environment)
    try:
        configuration = Configuration.model_validate(document.data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        raise Unusable([document.say(_problem(detail)) for detail in details]) from None
    refuse(document, list(_repeated(configuration)))
    return configuration, document


def refuse(document: Document, problems: list[Problem]) -> None:
    """Raise ``Unusable`` where there are any."""
    if problems:
        raise Unusable([document.say(problem) for problem in problems])


def _problem(detail: ErrorDetails) -> Problem:
    path: Path = detail["loc"]
    if detail["type"] == "extra_forbidden":
        return Problem(path, _of_unknown(path))
    message = MESSAGES.get(detail["type"], detail["msg"])
    return Problem(path, message.replace("Input should", "must", 1) if message.startswith("Input should") else message)


def _of_unknown(path: Path) -> str:
    names = [step for step in path if isinstance(step, str)]
    if ".".join(names) in NOT_BUILT:
        return NOT_BUILT_YET
    known = _keys(SHAPES[".".join(names[:-1])])
    close = get_close_matches(names[-1], known, n=1)
    return f"is no key of tollgate.yaml{f'; did you mean {close[0]}?' if close else ''}"


def _keys(shape: type[Entry]) -> list[str]:
    return [field.alias or name for name, field in shape.model_fields.items()]


def _repeated(configuration: Configuration) -> Iterator[Problem]:
    """Yield what is in the file twice, and would leave it to chance which one holds."""
    names: dict[str, list[object]] = {
        "providers": [entry.name for entry in configuration.providers],
        "routes": [entry.model for entry in configuration.routes],
        "teams": [entry.name for entry in configuration.teams],
        "users": [entry.email for entry in configuration.users],
        "keys": [(entry.name, entry.user, entry.team) for entry in configuration.keys],
    }
    for section, entries in names.items():
        yield from _twice((section,), entries)
    for position, route in enumerate(configuration.routes):
        targets = [(target.provider, target.upstream_model) for target in route.targets or ()]
        yield from _twice(("routes", position, "targets"), list(targets))
    for path, budgets in _lists_of_budgets(configuration):
        yield from _twice(path, [budget.identity() for budget in budgets])
    channels = [(entry.kind, entry.address) for entry in configuration.settings.alerts or ()]
    yield from _twice(("settings", "alerts"), list(channels))


def _lists_of_budgets(configuration: Configuration) -> Iterator[tuple[Path, Sequence[AmountEntry]]]:
    yield ("budgets",), configuration.budgets or ()
    for section in ("routes", "teams", "users", "keys"):
        for position, owner in enumerate(getattr(configuration, section)):
            yield (section, position, "budgets"), owner.budgets or ()


def _twice(path: Path, entries: list[object]) -> Iterator[Problem]:
    counted = Counter(entries)
    for position, entry in enumerate(entries):
        if counted[entry] > 1 and entries.index(entry) < position:
            yield Problem((*path, position), f"is the same as [{entries.index(entry)}]")
