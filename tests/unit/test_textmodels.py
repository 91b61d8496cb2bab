"""VADER and FinBERT behind the TextModel port, and what is said where they are absent."""

import base64
import builtins
import importlib.util
import json
import math
import sys
from types import SimpleNamespace

import pytest

from ops_pipeline.adapters.textmodels.finbert import FinbertModel, load_finbert, read_labels
from ops_pipeline.adapters.textmodels.vader import VaderModel, load_vader
from ops_pipeline.domain.errors import MissingDataError

LABELS = {"positive": 0, "negative": 1, "neutral": 2}
# A whole ONNX model of two nodes: it looks up each token's three weights ("gain" 2, 0, 0; "loss" 0, 2, 0;
# "the" 0, 0, 1; any other 0) and adds them up.
TINY_ONNX = (
    "CAg66AEKJgoBdwoJaW5wdXRfaWRzEgFlIgZHYXRoZXIqCwoEYXhpcxgAoAECCi0KAWUKBGF4ZXMSBmxvZ2l0cyIJUmVkdWNlU3VtKg8K"
    "CGtlZXBkaW1zGACgAQISBHRpbnkqOwgECAMQAUIBd0owAAAAAAAAAAAAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAA"
    "AIA/KhQIARAHQgRheGVzSggBAAAAAAAAAFocCglpbnB1dF9pZHMSDwoNCAcSCQoCCAEKAxIBbmIYCgZsb2dpdHMSDgoMCAESCAoCCAEK"
    "AggDQgQKABAN"
)
TINY_TOKENIZER = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": {"type": "Lowercase"},
    "pre_tokenizer": {"type": "Whitespace"},
    "post_processor": None,
    "decoder": None,
    "model": {"type": "WordLevel", "vocab": {"?": 0, "gain": 1, "loss": 2, "the": 3}, "unk_token": "?"},
}


def without(monkeypatch, *packages):
    real = builtins.__import__

    def absent(name, *rest, **more):
        if name.split(".")[0] in packages:
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    for name in list(sys.modules):
        if name.split(".")[0] in packages:
            monkeypatch.delitem(sys.modules, name)


def weights(folder, labels=("positive", "negative", "neutral")):
    (folder / "model.onnx").write_bytes(b"")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "config.json").write_text(json.dumps({"id2label": dict(enumerate(labels))}))
    return folder


class Session:
    """An inference session with three fixed outputs that keeps what it was fed."""

    def __init__(self, logits, names=("input_ids", "attention_mask", "token_type_ids")):
        self.logits, self.names, self.fed = logits, names, None

    def get_inputs(self):
        return [SimpleNamespace(name=name) for name in self.names]

    def run(self, output_names, inputs):
        self.fed = inputs
        return [[self.logits]]


class Tokenizer:
    def encode(self, sequence):
        return SimpleNamespace(ids=[101, 7, 102], attention_mask=[1, 1, 1], type_ids=[0, 0, 0])


def test_vader_reads_its_compound_value_and_the_share_of_words_with_an_opinion():
    analyzer = SimpleNamespace(polarity_scores=lambda _: {"compound": -0.62, "neu": 0.7})
    score = VaderModel(analyzer).score("any")
    assert (score.sentiment, score.confidence) == (-0.62, 0.3)


def test_vader_reads_a_text():
    assert load_vader().score("a great success").sentiment > 0


def test_absent_vader_is_named(monkeypatch):
    without(monkeypatch, "vaderSentiment")
    with pytest.raises(MissingDataError, match="package vaderSentiment"):
        load_vader()


@pytest.mark.parametrize(
    ("logits", "sentiment", "confidence"),
    [
        # softmax(ln 6, ln 3, ln 1) = 0.6, 0.3, 0.1
        ([1.791759469228055, 1.0986122886681098, 0.0], 0.3, 0.6),
        ([0.0, 0.0, 0.0], 0.0, 0.333333333),
        ([1000.0, 0.0, 0.0], 1.0, 1.0),
    ],
)
def test_finbert_is_positive_less_negative_probability(logits, sentiment, confidence):
    session = Session(logits)
    score = FinbertModel(session, Tokenizer(), LABELS, "finbert-x").score("any")
    assert (score.sentiment, score.confidence) == (sentiment, confidence)
    assert session.fed["input_ids"].tolist() == [[101, 7, 102]]


def test_finbert_feeds_only_what_the_weights_ask_for():
    session = Session([0.0, 0.0, 0.0], names=("input_ids", "attention_mask"))
    FinbertModel(session, Tokenizer(), LABELS, "finbert-x").score("any")
    assert sorted(session.fed) == ["attention_mask", "input_ids"]


def test_finbert_takes_the_labels_order_from_the_weights(tmp_path):
    config = weights(tmp_path, ("Neutral", "Positive", "Negative")) / "config.json"
    assert read_labels(config) == {"neutral": 0, "positive": 1, "negative": 2}


@pytest.mark.parametrize("text", ["{}", "no json", '{"id2label": {"0": "LABEL_0"}}', '{"id2label": 3}', "[]"])
def test_weights_that_do_not_name_the_labels_are_refused(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(MissingDataError, match="expected id2label"):
        read_labels(tmp_path / "config.json")


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "config.json"])
def test_absent_weights_are_named_with_their_place(tmp_path, name):
    (weights(tmp_path) / name).unlink()
    with pytest.raises(MissingDataError, match=f"expected {name} in"):
        load_finbert(tmp_path)


def test_an_absent_extra_is_named(tmp_path, monkeypatch):
    without(monkeypatch, "onnxruntime", "tokenizers")
    with pytest.raises(MissingDataError, match="extra `finbert`"):
        load_finbert(weights(tmp_path))


@pytest.mark.skipif(
    not (importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("tokenizers")),
    reason="NOT RUN: the extra finbert (onnxruntime, tokenizers) is not installed",
)
@pytest.mark.parametrize(
    ("text", "logits"),
    [
        ("Gain gain loss", (4.0, 2.0, 0.0)),
        ("the LOSS", (0.0, 2.0, 1.0)),
        ("something else", (0.0, 0.0, 0.0)),
        ("gain " * 600, (1024.0, 0.0, 0.0)),  # 512 tokens count
    ],
)
def test_real_weights_are_loaded_and_read_a_text(tmp_path, text, logits):
    folder = weights(tmp_path)
    (folder / "model.onnx").write_bytes(base64.b64decode(TINY_ONNX))
    (folder / "tokenizer.json").write_text(json.dumps(TINY_TOKENIZER))
    model = load_finbert(folder)
    top = max(logits)
    powers = [math.exp(value - top) for value in logits]
    positive, negative, _ = (power / sum(powers) for power in powers)
    score = model.score(text)
    assert score.sentiment == pytest.approx(positive - negative, abs=1e-6)
    assert score.confidence == pytest.approx(1.0 / sum(powers), abs=1e-6)
    assert model.version.startswith("finbert-")
