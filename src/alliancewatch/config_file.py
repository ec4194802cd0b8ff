"""A YAML file as a validated value, with errors that name file, line and the nearest key."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from alliancewatch.errors import ConfigError

M = TypeVar("M", bound=BaseModel)

Location = Sequence[str | int]


def read_config(path: Path, model: type[M]) -> M:
    """The file's content as `model`.

    Raises `ConfigError` for a missing or unreadable file, bad YAML, a repeated or unknown key, and a value of the
    wrong kind; all mistakes of one file are listed together.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError("no such config file", path=path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config file cannot be read: {error}", path=path) from None
    return parse_config(text, model, path=path)


def parse_config(text: str, model: type[M], *, path: Path | str) -> M:
    """The YAML text as `model`; `path` only names it in messages. Raises `ConfigError`."""
    try:
        root = yaml.compose(text, Loader=_Loader)
        if root is not None:
            _refuse_odd_keys(root, path)
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except RecursionError:
        raise ConfigError("not a config file: it is nested too deeply", path=path) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"not valid YAML: {problem}", path=path, line=mark.line + 1 if mark else None) from None
    if data is None:
        data = {}
    if not isinstance(data, Mapping):
        raise ConfigError(f"expected keys and values at the top, found {type(data).__name__}", path=path, line=1)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _as_config_error(error, model, root, path) from None


def validate_value(value: object, model: type[M], *, path: Path | str) -> M:
    """`value` (not from a file with lines) as `model`; errors name `path`. Raises `ConfigError`."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _as_config_error(error, model, None, path) from None


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word most like `word`, or None when none is close."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return close[0] if close else None


def _as_config_error(
    error: ValidationError, model: type[BaseModel], root: yaml.Node | None, path: Path | str
) -> ConfigError:
    problems: list[tuple[int | None, str]] = []
    hint = None
    for item in error.errors(include_url=False, include_input=True):
        location = item["loc"]
        line = _line_of(root, location)
        if item["type"] == "extra_forbidden":
            known = sorted(_known_keys(model, location[:-1]))
            message = f"unknown key `{location[-1]}`" + (f" under `{_dotted(location[:-1])}`" if location[:-1] else "")
            suggestion = nearest(str(location[-1]), known)
            hint = hint or (f"did you mean `{suggestion}`?" if suggestion else f"known keys: {', '.join(known)}")
        elif item["type"] == "missing":
            message = f"`{_dotted(location)}` is missing"
        else:
            message = f"`{_dotted(location)}`: {_plain(item['msg'])}" if location else _plain(item["msg"])
            if not isinstance(item["input"], (dict, list)):
                message += f", found {_shortened(repr(item['input']))}"
        problems.append((line, message))
    line, first = problems[0]
    more = [f"line {at}: {message}" if at else message for at, message in problems[1:]]
    return ConfigError("\n  also ".join([first, *more]), path=path, line=line, hint=hint)


def _plain(message: str) -> str:
    message = message.removeprefix("Value error, ").rstrip(".")
    return message[:1].lower() + message[1:]


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."


def _dotted(location: Location) -> str:
    dotted = ""
    for part in location:
        if isinstance(part, int):
            dotted += f"[{part}]"
        else:
            dotted += f".{part}" if dotted else part
    return dotted


def _line_of(node: yaml.Node | None, location: Location) -> int | None:
    """1-based line of the deepest node on the way to `location` that the file really holds."""
    if node is None:
        return None
    line = node.start_mark.line + 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == str(part)), None)
            if pair is None:
                continue  # pydantic also puts union tags and validator names into a location
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _known_keys(model: type[BaseModel], location: Location) -> set[str]:
    models = {model}
    for part in location:
        if isinstance(part, int):
            continue
        fields = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        if fields:
            models = {found for annotation in fields for found in _models_in(annotation)}
    return {field.alias or name for m in models for name, field in m.model_fields.items()}


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for argument in get_args(annotation):
        yield from _models_in(argument)


class _Loader(yaml.SafeLoader):
    """Without dates: what is one is for the model to say, which knows the line when it is none."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _refuse_odd_keys(root: yaml.Node, path: Path | str) -> None:
    """Raises `ConfigError` for a key that stands twice or is no plain word."""
    pending: list[Any] = [root]
    visited: set[int] = set()  # an alias stands for a node that was seen, maybe a billion times over
    while pending:
        node = pending.pop()
        if id(node) in visited:
            continue
        visited.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise ConfigError("a key is a plain word", path=path, line=key.start_mark.line + 1)
                if key.value in seen:
                    raise ConfigError(f"key `{key.value}` stands twice", path=path, line=key.start_mark.line + 1)
                seen.add(key.value)
                pending.append(value)
        elif isinstance(node, yaml.SequenceNode):
            pending.extend(node.value)
