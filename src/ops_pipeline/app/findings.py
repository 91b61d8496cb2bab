"""What a cross-check of settings finds. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing amiss: an error refuses the configuration, a warning is shown."""

    text: str
    is_error: bool
