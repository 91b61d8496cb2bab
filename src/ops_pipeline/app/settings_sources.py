"""The environment as a source of settings in which a listed account is named by its id. Pure."""

from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource


class ByAccount(PydanticBaseSettingsSource):
    """Reads `OPS__ACCOUNTS__LARGE__NUMBER` as the number of the account `large` that the file lists.

    In a name `_` stands for the id's `-`. An account that the file does not list raises ValueError.
    """

    def __init__(self, environment: PydanticBaseSettingsSource, file: PydanticBaseSettingsSource) -> None:
        """Rank `environment` over `file`."""
        super().__init__(environment.settings_cls)
        self._environment = environment
        self._file = file

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Give one field's value, as the environment has it."""
        return self._environment.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        """Give what the environment sets."""
        found = self._environment()
        named = found.get("accounts")
        if isinstance(named, dict):
            found["accounts"] = _merged(self._file().get("accounts") or (), named)
        return found


def _merged(rows: Any, named: dict[str, Any]) -> list[Any]:
    wanted = {name.replace("_", "-"): changes for name, changes in named.items()}
    listed = [row.get("id") if isinstance(row, dict) else None for row in rows]
    unknown = [name for name in wanted if name not in listed]
    if unknown:
        known = ", ".join(str(name) for name in listed if name) or "none"
        raise ValueError(f"accounts: expected ids of the file ({known}), the environment names {unknown[0]}")
    pairs = zip(rows, listed, strict=True)
    return [_with(row, wanted[name]) if name is not None and name in wanted else row for row, name in pairs]


def _with(row: Any, changes: Any) -> Any:
    if not isinstance(row, dict) or not isinstance(changes, dict):
        return changes
    return row | {key: _with(row.get(key), value) for key, value in changes.items()}
