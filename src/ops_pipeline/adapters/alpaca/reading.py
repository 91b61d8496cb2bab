"""One read of the venue: asked, answered with 200, decoded; anything else is an error by name. Shell."""

from collections.abc import Iterator, Mapping
from typing import Final, Protocol, TypeVar

import msgspec

from ops_pipeline.adapters.alpaca import wire
from ops_pipeline.adapters.alpaca.client import AlpacaClient, Reply
from ops_pipeline.adapters.alpaca.errors import KeysRefused, Refused, WireError
from ops_pipeline.adapters.alpaca.masks import shown

Shape = TypeVar("Shape")


class Page(Protocol):
    """A page of a list that may go on."""

    @property
    def next_page_token(self) -> str | None: ...


PageShape = TypeVar("PageShape", bound=Page)
# The venue's own word that it has no such order: any other 404 may be anybody's.
NO_SUCH_ORDER: Final = 40410000
_OK: Final = 200
_TURNED_AWAY: Final = (401, 403)
_SHOWN: Final = 200
_ERROR = msgspec.json.Decoder(wire.ErrorBody)


def fetch(
    client: AlpacaClient,
    path: str,
    kind: type[Shape],
    params: Mapping[str, str | int] | None = None,
) -> Shape:
    """GET `path` as `kind`; NoAnswer, Refused or WireError where there is no such answer."""
    return fetch_dated(client, path, kind, params)[0]


def fetch_dated(
    client: AlpacaClient,
    path: str,
    kind: type[Shape],
    params: Mapping[str, str | int] | None = None,
) -> tuple[Shape, Reply]:
    """GET `path` as `fetch` does; the reply itself comes with it, for its headers."""
    reply = client.get(path, params)
    if reply.status != _OK:
        raise refusal(reply, f"GET {path}")
    return wire.read(kind, reply.body, where=f"GET {path}"), reply


def refusal(reply: Reply, what: str) -> Refused:
    """Give the error that an answer other than the wanted one is, in the venue's words.

    KeysRefused only where the venue itself said so: a proxy's 403 says nothing about keys.
    """
    told = error_of(reply)
    kind = KeysRefused if told is not None and reply.status in _TURNED_AWAY else Refused
    words = told.message if told else shown(reply.body, most=_SHOWN)
    code = code_of(reply)
    text = f"{what}: expected an answer, was {reply.status}" + (f" ({code})" if code else "")
    return kind(f"{text}: {words}" if words else text, status=reply.status, code=code)


def code_of(reply: Reply) -> int:
    """Give the venue's own number of an error; 0 where it gave none."""
    told = error_of(reply)
    return _number(told.code) if told else 0


def _number(code: int | str) -> int:
    try:
        return int(code)
    except ValueError:
        return 0


def error_of(reply: Reply) -> wire.ErrorBody | None:
    """Read the venue's own error body; None where something else answered, a proxy perhaps."""
    try:
        return _ERROR.decode(reply.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def pages(
    client: AlpacaClient, path: str, kind: type[PageShape], params: Mapping[str, str | int]
) -> Iterator[PageShape]:
    """GET every page of a list; WireError where the pages lead in a circle."""
    asked, seen = dict(params), set[str]()
    while True:
        page = fetch(client, path, kind, asked)
        yield page
        token = page.next_page_token
        if not token:
            return
        if token in seen:
            raise WireError(f"GET {path}: expected another page, was {token!r} once more")
        seen.add(token)
        asked["page_token"] = token
