"""A YAML text as values with the line of each, its ``${NAME}`` replaced from the environment. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml

Path = tuple[str | int, ...]

DEEPEST = 12
VARIABLE = re.compile(r"\$(\$)?\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Problem(NamedTuple):
    """One thing wrong with the file, at a place in it."""

    path: Path
    message: str


class Unusable(Exception):
    """A file that is not applied; ``problems`` are lines for people, each naming its place."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Document(NamedTuple):
    data: dict[str, Any]
    lines: Mapping[Path, int]

    def say(self, problem: Problem) -> str:
        """Return the problem in one line: ``routes[0].retries (line 7): must be …``."""
        place = problem.path
        while place and place not in self.lines:
            place = place[:-1]
        line = f" (line {self.lines[place]})" if place else ""
        return f"{spell(problem.path)}{line}: {problem.message}"


def read(text: str, environment: Mapping[str, str]) -> Document:
    """Raises ``Unusable``. A secret of the text is in no message."""
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
    except yaml.YAMLError as error:
        raise Unusable([_of_syntax(error)]) from None
    reader = _Reader(loader, environment)
    data = reader.value(node, ()) if node else {}
    document = Document(data if isinstance(data, dict) else {}, reader.lines)
    if data and not isinstance(data, dict):
        reader.problems.append(Problem((), "must be a mapping of sections, such as providers: and routes:"))
    if reader.problems:
        raise Unusable([document.say(problem) for problem in reader.problems])
    return document


def spell(path: Path) -> str:
    """Return ``routes[0].targets[1].provider``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "the file"


class _Reader:
    """Builds the values of one text, and remembers where each stood and what was wrong."""

    def __init__(self, loader: yaml.SafeLoader, environment: Mapping[str, str]) -> None:
        self._loader = loader
        self._environment = environment
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.lines[path] = node.start_mark.line + 1
        if len(path) > DEEPEST:
            self.problems.append(Problem(path, "is nested too deeply"))
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, position)) for position, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        names = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for name in sorted({str(name) for name in names if names.count(name) > 1}):
            self.problems.append(Problem((*path, name), "is given twice"))
        self._loader.flatten_mapping(node)
        return {str(key.value): self.value(child, (*path, str(key.value))) for key, child in node.value}

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        try:
            value = self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError):
            self.problems.append(Problem(path, "is no value that YAML knows"))
            return None
        return self._expanded(value, path) if isinstance(value, str) else value

    def _expanded(self, value: str, path: Path) -> str:
        def replace(match: re.Match[str]) -> str:
            escaped, name = match.groups()
            if escaped:
                return match[0][1:]
            if name not in self._environment:
                self.problems.append(Problem(path, f"the environment has no variable {name}"))
            return self._environment.get(name, "")

        return VARIABLE.sub(replace, value)


def _of_syntax(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    line = f" (line {mark.line + 1})" if mark else ""
    return f"the file{line}: is no YAML: {getattr(error, 'problem', None) or 'it cannot be read'}"
