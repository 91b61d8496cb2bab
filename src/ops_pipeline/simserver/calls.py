"""A request as its handler sees it, and what the handler answers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ops_pipeline.simserver.desk import Desk
from ops_pipeline.simserver.venue import Venue

INVALID_REQUEST = 40010001
FORBIDDEN = 40310000
NOT_FOUND = 40410000
UNPROCESSABLE = 42210000


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One authorised request. `now` is the market's instant; the venue's lock is held."""

    venue: Venue
    desk: Desk
    now: datetime
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: a status and plain JSON values; `body` None is an empty body."""

    body: Any
    status: int = 200


class ApiError(Exception):
    """A refusal as the broker words it: the first three digits of `code` are the HTTP status.

    `code` 0 is the market-data paths' way: a message alone, with its own `status`.
    """

    def __init__(
        self, code: int, message: str, *, status: int = 0, extra: Mapping[str, Any] | None = None
    ) -> None:
        """Say what is refused and why; `extra` are further fields of the body."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.extra = extra or {}

    @property
    def reply(self) -> Reply:
        """Give the answer that says so."""
        if not self.code:
            return Reply({"message": self.message}, self.status)
        body = {"code": self.code, "message": self.message, **self.extra}
        return Reply(body, self.status or self.code // 100_000)


def unprocessable(message: str) -> ApiError:
    """Give the 422 of a request that makes no sense."""
    return ApiError(UNPROCESSABLE, message)


def bad_data_request(message: str) -> ApiError:
    """Give the market-data paths' 400."""
    return ApiError(0, message, status=400)
