"""What a disk holds after the power failed: unflushed writes may be there, or not, or torn. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

SECTOR = 512


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes written to a file at an offset."""

    file: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """A file cut to a length; -1: it was deleted."""

    file: str
    size: int


@dataclass(frozen=True, slots=True)
class Flush:
    """Everything written to a file so far is on the disk when this returns."""

    file: str


@dataclass(frozen=True, slots=True)
class Promise:
    """The store said that a transaction is committed: rows by table, and each chain's newest event."""

    rows: Mapping[str, int]
    heads: Mapping[str, tuple[int, str]]


Step = Write | Cut | Flush | Promise


@dataclass(slots=True)
class Disk:
    """Files as they are safe on the disk, and what was written since without a flush."""

    safe: dict[str, bytearray]
    pending: dict[str, list[Write | Cut]] = field(default_factory=dict)
    promised: Promise | None = None

    def take(self, step: Step) -> None:
        """Go on by one step."""
        match step:
            case Write(file=file) | Cut(file=file):
                self.pending.setdefault(file, []).append(step)
            case Flush(file=file):
                for unsafe in self.pending.pop(file, []):
                    _apply(self.safe, unsafe)
            case Promise():
                self.promised = step

    def is_risky(self) -> bool:
        """Tell whether anything waits for a flush: only then can images differ."""
        return any(self.pending.values())

    def image(self, random: Random) -> dict[str, bytes]:
        """Give the files that a power failure now may leave."""
        files = {name: bytearray(content) for name, content in self.safe.items()}
        survivors = random.choice((_nothing, _everything, _beginning, _some, _sectors, _garbled))
        for name in sorted(self.pending):
            for unsafe in survivors(self.pending[name], random):
                _apply(files, unsafe)
        return {name: bytes(content) for name, content in files.items()}


def _apply(files: dict[str, bytearray], change: Write | Cut) -> None:
    if isinstance(change, Cut):
        if change.size < 0:
            files.pop(change.file, None)
        else:
            content = files.setdefault(change.file, bytearray())
            del content[change.size :]
            content.extend(bytes(change.size - len(content)))
        return
    content = files.setdefault(change.file, bytearray())
    content.extend(bytes(max(0, change.offset - len(content))))
    content[change.offset : change.offset + len(change.data)] = change.data


Changes = Sequence[Write | Cut]


def _nothing(_changes: Changes, _random: Random) -> Changes:
    return ()


def _everything(changes: Changes, _random: Random) -> Changes:
    return changes


def _beginning(changes: Changes, random: Random) -> Changes:
    """Keep the first writes; the last of them is torn."""
    kept = changes[: random.randint(0, len(changes))]
    if not kept or isinstance(kept[-1], Cut):
        return kept
    parts = list(_split(kept[-1]))
    return [*kept[:-1], *parts[: random.randint(0, len(parts))]]


def _some(changes: Changes, random: Random) -> Changes:
    """Keep writes at random, whichever came first."""
    return [change for change in changes if random.random() < 0.5]


def _sectors(changes: Changes, random: Random) -> Changes:
    """Keep sectors at random: torn and reordered."""
    return [part for change in changes for part in _parts(change) if random.random() < 0.5]


def _garbled(changes: Changes, random: Random) -> Changes:
    """Keep sectors at random, one of them full of rubbish.

    Only bytes that were being written: SQLite relies on a disk that spares the rest of a sector.
    """
    kept = list(_sectors(changes, random))
    written = [place for place, part in enumerate(kept) if isinstance(part, Write)]
    if written:
        place = random.choice(written)
        part = kept[place]
        assert isinstance(part, Write)
        kept[place] = Write(part.file, part.offset, random.randbytes(len(part.data)))
    return kept


def _parts(change: Write | Cut) -> Iterator[Write | Cut]:
    if isinstance(change, Cut):
        yield change
    else:
        yield from _split(change)


def _split(write: Write) -> Iterator[Write]:
    begin, end = write.offset, write.offset + len(write.data)
    while begin < end:
        until = min(end, (begin // SECTOR + 1) * SECTOR)
        yield Write(write.file, begin, write.data[begin - write.offset : until - write.offset])
        begin = until
