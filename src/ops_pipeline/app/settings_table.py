"""Every setting beside its default, by dotted key. Pure."""

from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from typing import Any

from pydantic import BaseModel

REQUIRED = "required"


def setting_rows(model: BaseModel, *, prefix: str = "") -> Iterator[dict[str, Any]]:
    """Give key, value, default and whether they differ; list entries are named by id or number."""
    yield from _rows(model, None, prefix)


def _rows(model: BaseModel, defaults: BaseModel | None, prefix: str) -> Iterator[dict[str, Any]]:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        # A group's own default (the tier table) comes before its fields' defaults.
        default = getattr(defaults, name) if defaults is not None else _default_of(field)
        if isinstance(value, BaseModel):
            same = type(default) is type(value)
            yield from _rows(value, default if same else None, f"{prefix}{name}.")
        elif value and isinstance(value, tuple) and isinstance(value[0], BaseModel):
            for index, item in enumerate(value):
                yield from _rows(item, None, f"{prefix}{name}.{getattr(item, 'id', index + 1)}.")
        else:
            differs = default != value
            shown = default if default == REQUIRED else _plain(default)
            yield {"key": prefix + name, "value": _plain(value), "default": shown, "differs": differs}


def _default_of(field: Any) -> Any:
    return REQUIRED if field.is_required() else field.get_default(call_default_factory=True)


def _plain(value: Any) -> Any:
    """Spell a value as JSON does."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
