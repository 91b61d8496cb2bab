"""What a reader sees of markup, and nothing that it hides."""

import pytest

from ops_pipeline.domain.plaintext import remove_invisible, to_plain_text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>One</p><p>Two</p>", "One Two"),
        ("A<script>alert(1)</script>B<style>p{}</style>C", "ABC"),
        ("AT&amp;T &lt;b&gt; up", "AT&T <b> up"),
        ("Waymo&#39;s <b>chief</b>", "Waymo's chief"),
        ("zero\u200bwidth \u202ereversed\u202c nul\x00 bell\x07", "zerowidth reversed nul bell"),
        ("line\nbreak\u00a0and\ttab", "line break and tab"),
        ("5 < 6 and 7 > 2", "5 < 6 and 7 > 2"),
    ],
)
def test_markup_becomes_plain_text(markup, text):
    assert to_plain_text(markup, limit=100) == text


def test_plain_text_is_cut_at_the_limit():
    assert to_plain_text("x" * 50, limit=10) == "x" * 10


def test_unpaired_surrogates_are_dropped():
    assert remove_invisible("a\ud800b") == "ab"
