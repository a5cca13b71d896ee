"""The variables that a Python file reads from its environment."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.repository.place import Place
from crashloop.repository.python_names import full_name, string
from crashloop.repository.variable import Variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_GETTERS = ("os.getenv", "os.environ.get", "os.environ.pop")
_CONFIGS = ("decouple.config", "starlette.config.Config", "environs.Env", "environ.Env")
_SETTINGS = "BaseSettings"


def variables_in(tree: ast.Module, names: Mapping[str, str], file: str) -> Iterator[Variable]:
    """Each name that the file reads, in its order.

    These are `os.environ["X"]`, `os.getenv("X")`, the calls of decouple, environs, django-environ
    and Starlette's Config, and the fields of pydantic's BaseSettings.
    """
    configs, constants = _configs(tree, names), _constants(tree)
    settings = {_SETTINGS}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            if any(_last(base) in settings for base in node.bases):
                settings.add(node.name)
                yield from _fields(node, constants, file)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            if full_name(node.value, names) == "os.environ" and (name := string(node.slice)):
                place = Place(file=file, line=node.lineno)
                yield Variable(name=name, place=place, is_required=True)
        elif isinstance(node, ast.Call):
            yield from _call(node, names, configs, file)


def _call(
    call: ast.Call, names: Mapping[str, str], configs: set[str], file: str
) -> Iterator[Variable]:
    full = full_name(call.func, names)
    is_config = full == "decouple.config" or full.partition(".")[0] in configs
    name = string(call.args[0]) if call.args else None
    if not name or not (full in _GETTERS or is_config):
        return
    given = call.args[1] if len(call.args) > 1 and not is_config else None
    for keyword in call.keywords:
        if keyword.arg == "default":
            given = keyword.value
    yield Variable(
        name=name,
        place=Place(file=file, line=call.lineno),
        default=_default(given),
        is_required=is_config and given is None,
    )


def _configs(tree: ast.Module, names: Mapping[str, str]) -> set[str]:
    """The names of the file's objects that read variables when they are called."""
    return {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        for target in node.targets
        if isinstance(target, ast.Name) and full_name(node.value.func, names) in _CONFIGS
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    default: ast.expr | None
    alias: str | None


def _fields(node: ast.ClassDef, constants: Mapping[str, str], file: str) -> Iterator[Variable]:
    prefix = _prefix(node, constants)
    for statement in node.body:
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        name = statement.target.id
        if name.startswith("_") or name == "model_config":
            continue
        field = _field(statement.value)
        if prefix is None and not field.alias:  # its name is unknown
            continue
        yield Variable(
            name=field.alias or f"{prefix}{name}".upper(),
            place=Place(file=file, line=statement.lineno),
            default=_default(field.default),
            is_required=field.default is None,
            type=_type(statement.annotation),
        )


def _field(value: ast.expr | None) -> _Field:
    """A field's default, and its name where it has its own: `Field(alias="X")`."""
    if not isinstance(value, ast.Call) or _last(value.func) != "Field":
        return _Field(default=value, alias=None)
    default = value.args[0] if value.args else None
    alias = None
    for keyword in value.keywords:
        if keyword.arg in {"default", "default_factory"}:
            default = keyword.value
        elif keyword.arg in {"alias", "validation_alias", "env"}:
            alias = string(keyword.value)
            if isinstance(keyword.value, ast.Call) and keyword.value.args:  # AliasChoices
                alias = string(keyword.value.args[0])
    if isinstance(default, ast.Constant) and default.value is ...:
        default = None
    return _Field(default=default, alias=alias)


def _prefix(node: ast.ClassDef, constants: Mapping[str, str]) -> str | None:
    """`env_prefix`, of `model_config` or of a class Config; None where it cannot be read."""
    for statement in node.body:
        for value in _prefixes(statement):
            return constants.get(_last(value)) if _last(value) else string(value)
    return ""


def _prefixes(statement: ast.stmt) -> Iterator[ast.expr]:
    if isinstance(statement, ast.ClassDef) and statement.name == "Config":
        for each in statement.body:
            if isinstance(each, ast.Assign) and _last(each.targets[0]) == "env_prefix":
                yield each.value
    value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
    if isinstance(value, ast.Call):
        yield from (keyword.value for keyword in value.keywords if keyword.arg == "env_prefix")
    elif isinstance(value, ast.Dict):
        for key, each_value in zip(value.keys, value.values, strict=True):
            if key is not None and string(key) == "env_prefix":
                yield each_value


def _constants(tree: ast.Module) -> dict[str, str]:
    """The file's own names of texts."""
    return {
        target.id: text
        for node in tree.body
        if isinstance(node, ast.Assign) and (text := string(node.value)) is not None
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _type(annotation: ast.expr) -> str:
    """The first word of the annotation that is not `None` or `Optional`."""
    for node in ast.walk(annotation):
        if isinstance(node, ast.Name | ast.Attribute):
            word = _last(node)
            if word not in {"Optional", "Union", "Annotated", "None"}:
                return word
    return ""


def _default(node: ast.expr | None) -> str | None:
    """A literal default as its text in an environment."""
    if not isinstance(node, ast.Constant) or node.value is None or node.value is ...:
        return None
    if isinstance(node.value, bool):
        return str(node.value).lower()
    return str(node.value) if isinstance(node.value, str | int | float) else None


def _last(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
