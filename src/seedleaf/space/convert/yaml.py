"""Spaces as YAML, for people: docs/spaces.md describes the format. Only plain data is ever read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from seedleaf.core import Value
from seedleaf.errors import SpaceError
from seedleaf.space.convert.rules import parse_rule, write_rule
from seedleaf.space.params import Bool, Choice, Const, Float, Int, Param, option_key
from seedleaf.space.space import Space

KINDS = ("float", "int", "choice", "bool", "const")
NUMBER_KEYS = {"log", "default", "prior"}
_FIELDS = {*KINDS, *NUMBER_KEYS, "step", "ordered"}
OWN = {"params", "when", "forbid"}  # names that need the long form


class _Loader(yaml.SafeLoader):
    """The safe loader; a key that stands twice is an error and not a silent loss."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for i, key in enumerate(keys):
            if key in keys[:i]:
                raise SpaceError(f"YAML, line {node.start_mark.line + 1}: {key!r} stands twice")
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


class _Dumper(yaml.SafeDumper):
    """Lists of plain values and the definition of a plain parameter stand on one line."""

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
        plain = not any(isinstance(item, (list, dict)) for item in sequence)
        return super().represent_sequence(tag, sequence, flow_style=plain and len(sequence) > 0)

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> Any:
        body: dict[str, Any] = dict(mapping)
        short = not any(isinstance(v, dict) for v in body.values()) and not any(
            isinstance(item, dict) for v in body.values() if isinstance(v, list) for item in v
        )
        own = bool(body) and next(iter(body)) in KINDS and set(body) <= _FIELDS
        return super().represent_mapping(tag, body, flow_style=short and own)


def from_yaml(source: str | Path) -> Space:
    """The space of a YAML file (a Path, or a str that ends in .yaml or .yml) or of YAML text."""
    is_file = isinstance(source, Path) or ("\n" not in source and source.endswith((".yaml", ".yml")))
    try:
        text = Path(source).read_text(encoding="utf-8") if is_file else str(source)
        body = yaml.load(text, Loader=_Loader)  # a SafeLoader: plain data only
    except (OSError, UnicodeDecodeError) as error:
        raise SpaceError(f"{source} cannot be read: {error}") from error
    except (yaml.YAMLError, TypeError, RecursionError) as error:
        raise SpaceError(f"this is no YAML that describes a space: {error}") from error
    return _space(body, "")


def to_yaml(space: Space) -> str:
    """The space as YAML text; `from_yaml` gives it back."""
    body = _write_space(space)
    text: str = yaml.dump(body, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


# --- reading ---


def _space(body: object, where: str) -> Space:
    if not isinstance(body, Mapping):
        raise SpaceError(f"{where or 'a space'} must be a mapping of names to parameters, got {body!r}")
    rules = dict(body)
    when, forbid = rules.pop("when", None) or {}, rules.pop("forbid", None) or []
    long = isinstance(rules.get("params"), Mapping) and set(rules) == {"params"}
    params = rules["params"] if long else rules
    if not isinstance(when, Mapping) or not isinstance(forbid, list):
        raise SpaceError(
            f"{where}when: maps names to conditions, forbid: lists them; "
            "parameters of those names go under params:"
        )
    return Space(
        {name: _named(name, given, where) for name, given in params.items()},
        when={name: parse_rule(rule) for name, rule in when.items()},
        forbid=[parse_rule(rule) for rule in forbid],
    )


def _named(name: object, given: object, where: str) -> Param:
    try:
        return _param(given, f"{where}{name}.")
    except SpaceError as error:
        text = str(error)
        raise SpaceError(text if text.startswith(f"{where}{name}") else f"{where}{name}: {text}") from None


def _param(given: object, where: str) -> Param:
    if isinstance(given, list):
        return Choice(*_options(given))
    if given == "bool":
        return Bool()
    if not isinstance(given, Mapping):
        return Const(given)  # type: ignore[arg-type]  # Const checks it
    kinds = [kind for kind in KINDS if kind in given]
    if len(kinds) != 1:
        raise SpaceError(f"say which kind it is by one of {', '.join(KINDS)}: {dict(given)!r}")
    kind, more = kinds[0], {str(k): v for k, v in given.items() if k != kinds[0]}
    allowed = {
        "float": NUMBER_KEYS,
        "int": NUMBER_KEYS | {"step"},
        "choice": {"ordered", "default", "prior"},
        "bool": {"default", "prior"},
        "const": set(),
    }[kind]
    strangers = sorted(set(more) - allowed)
    if strangers:
        raise SpaceError(f"{kind} knows no {', '.join(strangers)}; it knows {', '.join(sorted(allowed))}")
    if kind in ("float", "int"):
        return _number(kind, given[kind], more)
    if kind == "choice":
        return _choice(given[kind], more, where)
    return Bool(**more) if kind == "bool" else Const(given[kind])


def _number(kind: str, bounds: object, more: Mapping[str, Any]) -> Param:
    if not isinstance(bounds, list) or len(bounds) != 2:
        raise SpaceError(f"{kind}: takes a list of two bounds, got {bounds!r}")
    given = {k: v if k == "log" else _as_number(v) for k, v in more.items()}
    low, high = (_as_number(b) for b in bounds)
    return Float(low, high, **given) if kind == "float" else Int(low, high, **given)


def _as_number(value: Any) -> Any:
    """YAML 1.1 takes 1e-3 (no dot) for text; nobody means that in a bound."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            pass
    return value


def _options(given: list[Any]) -> list[Value]:
    if any(isinstance(o, (list, dict)) for o in given):
        raise SpaceError(f"an option is a plain value; options with parameters make a mapping: {given!r}")
    return given


def _choice(options: object, more: dict[str, Any], where: str) -> Param:
    if isinstance(options, Mapping):
        branches = {name: _space(body or {}, f"{where}{name}.") for name, body in options.items()}
        return Choice(branches, **more)
    if not isinstance(options, list):
        raise SpaceError(f"choice: takes a list of options or a mapping, got {options!r}")
    mixed: list[Any] = []
    for option in options:
        if isinstance(option, Mapping):
            mixed.append({name: _space(body or {}, f"{where}{name}.") for name, body in option.items()})
        else:
            mixed += _options([option])
    return Choice(*mixed, **more)


# --- writing ---


def _write_space(space: Space) -> dict[str, Any]:
    body: dict[str, Any] = {name: _write(param) for name, param in space.params.items()}
    if OWN & set(body):
        body = {"params": body}
    if space.when:
        body["when"] = {name: write_rule(rule) for name, rule in space.when.items()}
    if space.forbid:
        body["forbid"] = [write_rule(rule) for rule in space.forbid]
    return body


def _write(param: Param) -> Any:
    if isinstance(param, Const):
        return {"const": param.value} if param.value == "bool" else param.value
    hints = {name: v for name, v in (("default", param.default), ("prior", param.prior)) if v is not None}
    if param.prior is not None and option_key(param.default) == option_key(param.prior):
        del hints["default"]  # the prior is the default where there is no other
    if isinstance(param, (Float, Int)):
        body: dict[str, Any] = {"float" if isinstance(param, Float) else "int": [param.low, param.high]}
        if param.log:
            body["log"] = True
        if isinstance(param, Int) and param.step != 1:
            body["step"] = param.step
        return {**body, **hints}
    if not isinstance(param, Choice):
        raise SpaceError(f"{param!r} cannot be written as YAML")
    if any(param.branches.values()):
        named = [isinstance(o, str) and o in param.branches for o in param.options]
        bodies = {o: _write_space(branch) for o, branch in param.branches.items()}
        nested = [{o: bodies[o]} if has else o for o, has in zip(param.options, named, strict=True)]
        options: Any = bodies if all(named) else nested
    else:
        options = list(param.options)
        if not hints and not param.ordered:
            return options
    ordered = {"ordered": True} if param.ordered else {}
    return {"choice": options, **ordered, **hints}
