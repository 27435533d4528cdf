"""Settings changed by dotted names, and settings that older runs and weights files saved."""

import dataclasses
import difflib
from collections.abc import Collection
from typing import Any

from pianist_jax.config import TrainConfig
from pianist_jax.errors import PianistError

_RENAMED = {"every": "log_every", "final": "final_lr_ratio", "average": "ema_decay"}  # in older runs and weights files
_RENAMED |= {"spike": "skip_grad_ratio", "clip": "grad_clip_norm"}


def from_saved(kind: Any, saved: dict[str, Any]) -> Any:
    """The config of class `kind` that `dataclasses.asdict` once made `saved` of; older names are understood.

    Raises TypeError where a setting is unknown, PianistError where one is out of its range.
    """
    groups = {field.name: field.type for field in dataclasses.fields(kind) if dataclasses.is_dataclass(field.type)}
    settings = {}
    for name, value in saved.items():
        name = _RENAMED.get(name, name) if kind is TrainConfig else name
        settings[name] = from_saved(groups[name], value) if name in groups else value
    return kind(**settings)


def override(config: Any, settings: dict[str, Any]) -> Any:
    """`config` with dotted `settings` ("model.width": 256) put in, typed like the fields they replace.

    Strings are parsed by the field's own type. Raises PianistError for an unknown key or a value of another type.
    """
    tree: dict[str, Any] = {}
    for key, value in settings.items():
        *parents, leaf = key.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                break
        if not isinstance(place, dict) or isinstance(place.get(leaf), dict):
            raise PianistError(f'"{key}" and what it is part of cannot both be set; set one of the two')
        place[leaf] = value
    return _override(config, tree, "")


def differences(old: Any, new: Any, *, but: Collection[str] = (), prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """The settings that differ between two configs of a kind, by their dotted names; those named in `but` left out."""
    found: dict[str, tuple[Any, Any]] = {}
    for field in dataclasses.fields(new):
        key, before, now = prefix + field.name, getattr(old, field.name), getattr(new, field.name)
        if key in but:
            continue
        if dataclasses.is_dataclass(now):
            found |= differences(before, now, but=but, prefix=f"{key}.")
        elif before != now:
            found[key] = before, now
    return found


def _override(config: Any, tree: dict[str, Any], prefix: str) -> Any:
    """All changes of one level at once: settings are checked together when the new config is made."""
    names = [field.name for field in dataclasses.fields(config)]
    changes = {}
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if name not in names:
            near = [_RENAMED[name]] if name in _RENAMED and not prefix else difflib.get_close_matches(name, names, n=1)
            hint = f'; did you mean "{prefix}{near[0]}"?' if near else f"; there are {', '.join(names)}"
            raise PianistError(f'no setting is called "{key}"{hint}')
        old = getattr(config, name)
        if isinstance(value, dict) != dataclasses.is_dataclass(old):
            problem = "has no settings of its own" if isinstance(value, dict) else "is a group: set one of its settings"
            raise PianistError(f'"{key}" {problem}')
        changes[name] = _override(old, value, f"{key}.") if isinstance(value, dict) else _typed(value, old, key)
    return dataclasses.replace(config, **changes)


def _typed(value: Any, old: Any, key: str) -> Any:
    kind = type(old)
    if isinstance(value, str) and kind is not str:
        try:
            if kind is bool:
                return {"true": True, "false": False}[value.lower()]
            return kind(value)
        except (KeyError, ValueError):
            raise PianistError(f'"{key}" takes a {kind.__name__}, not "{value}"') from None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if old is not None and not isinstance(value, kind):
        raise PianistError(f'"{key}" takes a {kind.__name__}, not {value!r}')
    return value
