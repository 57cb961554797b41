"""Pass options that several commands share as one value: a dataclass with a field for each flag."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Replace each dataclass among a command's parameters by its fields in the signature for typer.

    The command itself is called with the dataclasses.
    """
    given = inspect.signature(command, eval_str=True).parameters
    groups = {name: p.annotation for name, p in given.items() if _is_group(p.annotation)}
    flags: list[inspect.Parameter] = []
    for name, parameter in given.items():
        flags += _fields(groups[name]) if name in groups else [_by_name(parameter)]
    # A parameter without a default may not follow one that has one.
    flags.sort(key=lambda flag: flag.default is not inspect.Parameter.empty)

    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        made = {
            name: group(**{field.name: values.pop(field.name) for field in _fields(group)})
            for name, group in groups.items()
        }
        command(**values, **made)

    wrapper.__signature__ = inspect.Signature(flags)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {flag.name: flag.annotation for flag in flags}
    return wrapper


def _by_name(parameter: inspect.Parameter) -> inspect.Parameter:
    return parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)


def _is_group(annotation: Any) -> bool:
    return isinstance(annotation, type) and dataclasses.is_dataclass(annotation)


def _fields(group: Any) -> list[inspect.Parameter]:
    hints = typing.get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty
            if field.default is dataclasses.MISSING
            else field.default,
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(group)
    ]
