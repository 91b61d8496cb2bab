"""What may be told of an account's number: its end. Pure."""

import re
from typing import Final

_SHOWN: Final = 4
_NUMBERS: Final = re.compile(r'("account_number"\s*:\s*"?)([^",}]*)')


def masked(number: str) -> str:
    """Give the last four characters of an account's number, or none of one that is no longer."""
    return f"***{number[-_SHOWN:] if len(number) > _SHOWN else ''}"


def shown(body: bytes, *, most: int) -> str:
    """Give the beginning of an answer as text, account numbers in it masked."""
    text = body[: 2 * most].decode("utf-8", "replace")
    return _NUMBERS.sub(lambda found: found[1] + masked(found[2]), text)[:most]
