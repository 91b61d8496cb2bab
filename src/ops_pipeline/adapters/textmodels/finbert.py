"""FinBERT through ONNX: a transformer's reading of a text, from weights the user supplies. Shell."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from ops_pipeline.domain.codec import MISFITS
from ops_pipeline.domain.errors import MissingDataError
from ops_pipeline.domain.news import TextScore
from ops_pipeline.domain.units import round_event_float

_MAX_CHARS: Final = 4_000
_MAX_TOKENS: Final = 512
_MODEL: Final = "model.onnx"
_TOKENIZER: Final = "tokenizer.json"
_CONFIG: Final = "config.json"


class _Session(Protocol):
    """The part of onnxruntime.InferenceSession that is used."""

    def get_inputs(self) -> Sequence[Any]: ...

    def run(self, output_names: Any, inputs: Mapping[str, Any]) -> Sequence[Any]: ...


class _Tokenizer(Protocol):
    """The part of tokenizers.Tokenizer that is used."""

    def encode(self, sequence: str) -> Any: ...


class FinbertModel:
    """Score texts by P(positive) - P(negative); confidence is the likeliest label's probability."""

    def __init__(
        self, session: _Session, tokenizer: _Tokenizer, labels: Mapping[str, int], version: str
    ) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._labels = labels
        self._inputs = tuple(entry.name for entry in session.get_inputs())
        self.version = version

    def score(self, text: str) -> TextScore:
        """Read `text`, of which the first 512 tokens count."""
        import numpy as np

        encoded = self._tokenizer.encode(text[:_MAX_CHARS])
        columns = {
            "input_ids": encoded.ids,
            "attention_mask": encoded.attention_mask,
            "token_type_ids": encoded.type_ids,
        }
        feed = {name: np.asarray([columns[name]], dtype=np.int64) for name in self._inputs}
        logits = [float(value) for value in self._session.run(None, feed)[0][0]]
        chances = _softmax(logits)
        positive, negative = chances[self._labels["positive"]], chances[self._labels["negative"]]
        return TextScore(
            sentiment=round_event_float(positive - negative), confidence=round_event_float(max(chances))
        )


def load_finbert(directory: Path) -> FinbertModel:
    """Load model.onnx, tokenizer.json and config.json from `directory`.

    MissingDataError names what is absent: the extra `finbert`, a file, or a label.
    """
    for name in (_MODEL, _TOKENIZER, _CONFIG):
        if not (directory / name).is_file():
            raise MissingDataError(
                f"text model finbert: expected {name} in {directory}, found none;"
                " the weights are not part of this package and are put there by the user"
            )
    try:
        import onnxruntime
        import tokenizers
    except ImportError:
        raise MissingDataError(
            "text model finbert: expected the extra `finbert` (onnxruntime, tokenizers), which is absent"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(directory / _MODEL), sess_options=options, providers=["CPUExecutionProvider"]
    )
    tokenizer = tokenizers.Tokenizer.from_file(str(directory / _TOKENIZER))
    tokenizer.enable_truncation(_MAX_TOKENS)
    tokenizer.no_padding()
    return FinbertModel(session, tokenizer, read_labels(directory / _CONFIG), _version(directory / _MODEL))


def read_labels(config: Path) -> dict[str, int]:
    """Read which output is positive, negative and neutral; MissingDataError if one is not named."""
    try:
        named = json.loads(config.read_text(encoding="utf-8"))["id2label"]
        labels = {str(label).lower(): int(index) for index, label in named.items()}
    except MISFITS:
        labels = {}
    if sorted(labels) != ["negative", "neutral", "positive"] or sorted(labels.values()) != [0, 1, 2]:
        raise MissingDataError(
            f"text model finbert: expected id2label in {config} to name positive, negative and neutral"
            f" as 0, 1, 2, found {labels}"
        )
    return labels


def _version(model: Path) -> str:
    """Name the weights by their content."""
    with model.open("rb") as stream:
        return f"finbert-{hashlib.file_digest(stream, 'sha256').hexdigest()[:12]}"


def _softmax(logits: Sequence[float]) -> list[float]:
    top = max(logits)
    powers = [math.exp(value - top) for value in logits]
    return [power / math.fsum(powers) for power in powers]
