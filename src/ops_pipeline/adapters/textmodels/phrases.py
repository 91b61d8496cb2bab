"""Set phrases of financial news with their signed weight, tried before single words. Pure."""

import re
from typing import Final


def _one_of(lines: str) -> str:
    """Join the alternatives that stand on separate lines, in order."""
    return "(?:" + "|".join(line.strip() for line in lines.strip().splitlines()) + ")"


def _words(most: int) -> str:
    """Match up to `most` words, as few as will do."""
    return rf"(?:[\w$£€&%.,'-]+ ){{0,{most}}}?"


_GOOD_RATING: Final = r"(?:strong[- ]buy|buy|overweight|outperform|accumulate|conviction buy)"
_BAD_RATING: Final = r"(?:sell|underweight|underperform|reduce)"
_FLAT_RATING: Final = r"(?:neutral|hold|(?:market|sector|peer) perform|equal[- ]weight|sector weight|in-line)"
_BAR: Final = rf"{_words(3)}(?:estimates?|expectations?|consensus|forecasts?|views?|guidance)"
_RAISE: Final = r"(?:raise[sd]?|raising|lift(?:s|ed)?|boost(?:s|ed)?|hike[sd]?|increase[sd]?|ups|upped)"
_CUT: Final = r"(?:cuts?|cutting|lower(?:s|ed)?|trim(?:s|med)?|slash(?:es|ed)?|reduce[sd]?)"
_TARGET: Final = r"(?:price targets?|target prices?|targets?|pts?|price objectives?)"
_OUTLOOK: Final = r"(?:guidance|outlook|forecasts?|full[- ]year (?:view|target)|estimates?|dividend|payout)"
_PAST: Final = r"(?:(?:as )?compared (?:to|with)|from|versus|vs\.?|against)"
# A point within an amount does not end the sentence.
_GAP: Final = r"(?:[^.;]|\.\d){0,90}?"
_STAFF: Final = r"(?:jobs?|staff|workers|employees|people|personnel|positions|workforce|headcount)"
_RATES: Final = r"(?:initiat\w+|start(?:s|ed)|resum\w+|rated?)(?: [\w&.'-]+){0,4}? (?:at|as|with)(?: an?)?"
_KEEPS: Final = _RATES.replace("rated?", r"rated?|reiterat\w+|maintain\w+")
_BETTER: Final = _one_of(
    r"""
    above|ahead of|better than|higher than|more than|exceed\w*|beat(?:s|ing)?|tops?|topped
    surpass\w*|crush(?:es|ed)|smash(?:es|ed)
    """
)
_WORSE: Final = _one_of(
    r"""
    below|short of|worse than|lower than|less than
    miss(?:es|ed|ing)?|trail(?:s|ed)?|lag(?:s|ged)?
    """
)
_DISMISS: Final = _one_of(
    r"""
    cut(?:s|ting)?|lay(?:s|ing)?[- ]off|laid[- ]off|dismiss(?:es)?|eliminat\w+
    shed(?:s|ding)?|axe[sd]?|slash(?:es)?|fire[sd]?|reduc\w+
    """
)
_OBTAIN: Final = _one_of(
    r"""
    wins?|won|winning|secure[sd]?|land(?:s|ed)|bag(?:s|ged)|award(?:s|ed)?
    receiv(?:e|es|ed)|clinch(?:es|ed)
    """
)
_SIGN: Final = r"(?:sign(?:s|ed)?|conclude[sd]?|enter(?:s|ed)? into|ink(?:s|ed))"
_TURN: Final = r"(?:sw[iu]ngs?|swung|turn(?:s|ed)?) (?:in)?to (?:an? )?(?:[^\s;]+ ){0,4}?"
_SLIP: Final = _TURN.replace("turn(?:", "slips?|slipped|falls?|fell|turn(?:")
_RETURN: Final = _TURN.replace("turn(?:", "returns?|returned|back|turn(?:")
_OFFERING: Final = r"(?:equity|stock|share|secondary|common stock) offering"
_REACH: Final = r"(?:hit(?:s|ting)?|reach(?:es|ed)?)"
_SPAN: Final = r"(?:all-time|record|\d+-(?:week|year|month)|(?:multi|one|two|three|five)-(?:year|month)|new)"

_SAYS_NOTHING: Final = _one_of(
    r"""
    profit[- ]sharing|loss[- ]making units? sold|gains? and losses|profit and loss|best buy
    strong[- ]arm|deep learning|risk management|gross domestic product|increase in share capital
    short[- ]term|long[- ]term|green energy|as well as|as long as|up to|set up|make up|buy or sell
    subject to approval|holiday season|no later than|not only|no doubt
    gainers and losers|buyers and sellers|fine[- ]tun\w+|rally (?:car|race)
    """
)

_PHRASES: Final = (
    (1.2, rf"{_TARGET}\b(?: (?:was|is|to be))? {_RAISE}"),
    (1.2, rf"{_RAISE} {_words(5)}{_TARGET}\b"),
    (1.2, r"(?:never|not) been (?:this|more|so) (?:bullish|optimistic|positive)\b"),
    (-1.2, r"(?:never|not) been (?:this|more|so) (?:bearish|pessimistic|negative)\b"),
    (-1.2, rf"{_TARGET}\b(?: (?:was|is|to be))? {_CUT}"),
    (-1.2, rf"{_CUT} {_words(5)}{_TARGET}\b"),
    (-1.2, rf"to {_FLAT_RATING} from {_GOOD_RATING}\b"),
    (1.2, rf"to {_FLAT_RATING} from {_BAD_RATING}\b"),
    (1.0, rf"{_KEEPS} {_GOOD_RATING}\b"),
    (-1.0, rf"{_RATES} {_BAD_RATING}\b"),
    (0.0, rf"{_RATES} {_FLAT_RATING}\b"),
    (1.2, rf"{_BETTER} {_BAR}\b"),
    (-1.2, rf"{_WORSE} {_BAR}\b"),
    (1.2, rf"{_RAISE} {_words(4)}{_OUTLOOK}\b"),
    (-1.2, rf"{_CUT} {_words(4)}{_OUTLOOK}\b"),
    (-1.2, rf"(?:withdr[ae]w\w*|pull(?:s|ed)|suspend(?:s|ed)) {_words(3)}{_OUTLOOK}\b"),
    (-1.3, r"(?:profit warning|warns? on (?:profit|sales|revenue)s?|going concern)\b"),
    (1.2, rf"profits?\b{_GAP}\b{_PAST}\b{_GAP}\bloss(?:es)?\b"),
    (-1.2, rf"loss(?:es)?\b{_GAP}\b{_PAST}\b{_GAP}\b(?:profits?|net income)\b"),
    (1.2, rf"{_RETURN}(?:profit|black)\b"),
    (-1.2, rf"{_SLIP}(?:loss|red)\b"),
    (-1.1, rf"{_DISMISS} {_words(5)}{_STAFF}\b"),
    (-1.0, r"(?:job|personnel|staff|workforce|headcount) (?:cuts?|reductions?|losses)\b"),
    (-1.0, r"(?:lay(?:ing)?[- ]offs?|laid off|made redundant)\b"),
    (-0.9, rf"(?:pric\w+|announc\w+|propos\w+)(?: [\w.-]+){{0,3}}? {_OFFERING}\b|\bequity offering\b"),
    (0.9, rf"(?:share|stock) (?:buy-?backs?|repurchases?)\b|\bbuy(?:s|ing)? back {_words(4)}shares\b"),
    (1.0, rf"{_OBTAIN} {_words(7)}(?:contracts?|orders?|deals?|tenders?|awards?|approvals?|clearance)\b"),
    (0.5, rf"{_SIGN} {_words(6)}(?:contracts?|agreements?|orders?|deals?|partnerships?)\b"),
    (1.0, r"fda (?:approv\w+|clear\w+|grants?)\b|\bbreakthrough therapy\b"),
    (1.0, r"met (?:all )?(?:its |the )?(?:primary|secondary)? ?endpoints?\b"),
    (-1.1, r"(?:fda reject\w+|complete response letter|clinical hold)\b"),
    (-1.1, r"fail\w* (?:to meet|its|the) (?:\w+ )?endpoints?\b"),
    (1.0, rf"(?:{_REACH} (?:an? )?)?{_SPAN} highs?\b"),
    (-1.0, rf"(?:{_REACH} (?:an? )?)?{_SPAN} lows?\b"),
    (0.9, rf"record {_words(2)}(?:sales|revenues?|profits?|earnings|quarter|orders?|results?|deliveries)\b"),
    (0.9, rf"cost savings?\b|\bsav(?:e|es|ing) {_words(2)}costs?\b"),
    (0.9, rf"debt[- ]free\b|\bpay(?:s|ing)? (?:down|off) {_words(2)}debt\b"),
    (-1.0, r"(?:class[- ]action|chapter 11|file[sd]? for bankruptcy|data breach|short[- ]seller report)\b"),
    (0.0, rf"{_SAYS_NOTHING}\b"),
)
PATTERNS: Final = tuple((weight, re.compile(rf"\b(?:{pattern})")) for weight, pattern in _PHRASES)
