"""What a group of settings is: frozen, with no key that is not known. Pure."""

import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

_SCALAR = re.compile(r"-?\d+(\.\d+)?|true|false")


class Options(BaseModel):
    """A frozen group of settings: unknown keys and wrong types are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @field_validator("*", mode="before")
    @classmethod
    def _read_text(cls, value: Any) -> Any:  # the environment can only spell text
        """Read a number or a flag that came as text; other text stays what it is."""
        if isinstance(value, str) and _SCALAR.fullmatch(value):
            return json.loads(value)
        return value


class LooseOptions(BaseModel):
    """A group with enum or decimal members, which TOML can only spell as text or numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")
