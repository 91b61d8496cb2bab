"""The phrases of the simulated newswire, by kind and by what they say. Pure.

Slots: {name} the company, {product}, {period} a quarter, {pct} a small and {big} a large percentage,
{usd} a price target, {low} a lower one, {money} a sum, {firm} an analyst house, {other} an invented
counterparty, {place} a region. Some good news is worded with negative words and the reverse, as in
life: a reader who counts words alone will be fooled now and then.
"""

from ops_pipeline.domain.news import EventKind

Phrases = tuple[str, ...]

GOOD: dict[EventKind, Phrases] = {
    EventKind.EARNINGS: (
        "{name} {period} profit tops estimates as {product} sales jump {big}%",
        "{name} beats on both lines; revenue up {big}% from a year ago",
        "{name} swings to a profit in {period}, surprising Wall Street",
        "Record quarter at {name}: margins widen {pct} points, orders accelerate",
        "{name} posts smaller loss than feared, shares rally after hours",
        "{name} earnings: EPS ahead of consensus by {pct}%, cash flow strongest in years",
        "Strong {product} demand lifts {name} results well above expectations",
        "{name} avoids the slump that hit its peers, reports {big}% earnings growth",
    ),
    EventKind.GUIDANCE: (
        "{name} raises full-year outlook, citing robust {product} orders",
        "{name} lifts {period} revenue forecast to as much as {money}",
        "{name} now sees earnings growth of {big}%, up from prior view",
        "Upbeat guidance from {name} eases slowdown worries",
        "{name} hikes margin target after cost cuts pay off early",
        "{name} boosts buyback by {money} and raises its forecast",
        "{name} says demand is not slowing, lifts outlook a second time this year",
    ),
    EventKind.RATING: (
        "{firm} upgrades {name} to buy, sees {big}% upside",
        "{name} raised to outperform at {firm}; target lifted to ${usd}",
        "{firm} calls {name} a top pick for the year",
        "{firm} hikes {name} price target to ${usd} from ${low}",
        "{firm} ends its sell call on {name}: worst is over",
        "{name} initiated at overweight by {firm} on {product} momentum",
        "Analysts turn bullish on {name} as estimates climb",
        "{firm} reiterates buy on {name}, dismisses bear case as overdone",
    ),
    EventKind.MERGER: (
        "{other} in advanced talks to acquire {name} at a {big}% premium: sources",
        "{name} receives {money} takeover offer from {other}",
        "{name} shareholders approve merger with {other}",
        "Regulators clear {name}'s purchase of {other} without conditions",
        "{name} to sell its {place} unit for {money}, above expectations",
        "Activist takes {pct}% stake in {name}, pushes for a sale",
    ),
    EventKind.LEGAL: (
        "{name} wins dismissal of lawsuit over its {product}",
        "Court sides with {name} in patent fight with {other}",
        "{name} settles {place} probe for less than feared",
        "Regulator drops investigation into {name}, no fine imposed",
        "Jury clears {name} of wrongdoing in {product} case",
        "Judge throws out {money} claim against {name}",
    ),
    EventKind.PRODUCT: (
        "{name} wins {money} contract with {other} for its {product}",
        "{name} unveils next-generation {product}; early reviews glowing",
        "{name}'s {product} approved in {place}, launch set for next quarter",
        "{name} says {product} bookings surged {big}% since launch",
        "{other} picks {name} as exclusive {product} supplier",
        "{name} expands {product} capacity as demand outstrips supply",
        "Breakthrough for {name}: new {product} cuts costs by {big}%",
        "{name} resolves {product} defect sooner than expected, resumes shipments",
    ),
    EventKind.MACRO: (
        "{name} among winners as {place} scraps tariffs on imports",
        "Falling input costs seen boosting {name} margins",
        "{name} gains as {place} stimulus plan favours its industry",
        "Softer inflation lifts {name} and rate-sensitive peers",
        "{place} demand rebound is a tailwind for {name}, economists say",
        "{name} shrugs off recession fears, climbs with the sector",
    ),
    EventKind.OTHER: (
        "{name} shares surge {pct}% on heavy volume",
        "{name} hits 52-week high as rally broadens",
        "{name} raises dividend by {big}%, marking another year of growth",
        "Insiders at {name} buy {money} of stock",
        "{name} to join large-cap index, funds seen as buyers",
        "Short sellers retreat from {name} after {big}% rebound",
        "{name} hires well-regarded chief from {other}, stock jumps",
        "{name} credit rating upgraded on stronger balance sheet",
    ),
}

BAD: dict[EventKind, Phrases] = {
    EventKind.EARNINGS: (
        "{name} {period} profit misses estimates as {product} sales fall {big}%",
        "{name} swings to a loss; revenue down {big}% from a year ago",
        "Weak {product} demand drags {name} results below expectations",
        "{name} earnings disappoint: EPS short of consensus by {pct}%",
        "{name} reports growth, but slower than hoped; shares tumble after hours",
        "{name} margins shrink {pct} points in {period} as costs bite",
        "{name} writes down {money} on {place} business, posts wider loss",
        "{name} fails to beat for the first time in three years",
    ),
    EventKind.GUIDANCE: (
        "{name} cuts full-year outlook, blames sluggish {product} orders",
        "{name} lowers {period} revenue forecast to {money}",
        "{name} warns on profit as customers delay purchases",
        "{name} withdraws guidance, citing uncertain {place} demand",
        "{name} now sees margins falling {pct} points on higher costs",
        "Cautious outlook from {name} overshadows a solid quarter",
        "{name} no longer expects growth this year",
    ),
    EventKind.RATING: (
        "{firm} downgrades {name} to sell, sees {big}% downside",
        "{name} cut to underperform at {firm}; target slashed to ${low}",
        "{firm} trims {name} price target to ${low} from ${usd}",
        "{firm} turns cautious on {name}, says valuation is stretched",
        "{firm} removes {name} from its conviction list",
        "Analysts slash {name} estimates after channel checks",
        "{name} initiated at underweight by {firm}: good news priced in",
        "{firm} abandons buy call on {name} as {product} growth fades",
    ),
    EventKind.MERGER: (
        "{name} deal with {other} collapses as financing falls through",
        "Regulators move to block {name}'s purchase of {other}",
        "{other} walks away from {name} takeover talks",
        "{name} seen overpaying {money} for {other}, shares slide",
        "{name} rejects {other} bid, dashing hopes of a premium",
        "Investors revolt against {name}'s merger with {other}",
    ),
    EventKind.LEGAL: (
        "{name} sued by {place} regulators over {product} claims",
        "Court rules against {name} in patent fight with {other}",
        "{name} faces {money} fine as probe widens",
        "Prosecutors open investigation into {name} accounting",
        "Jury finds {name} liable in {product} case, awards {money}",
        "{name} fails to overturn {place} ban on its {product}",
        "Class action accuses {name} of misleading investors",
    ),
    EventKind.PRODUCT: (
        "{name} recalls {product} after safety complaints",
        "{name} delays {product} launch again, citing defects",
        "{other} drops {name} as {product} supplier",
        "{name}'s {product} rejected by {place} regulator",
        "{name} loses {money} contract to {other}",
        "Outage hits {name}'s {product}, customers complain",
        "Reviewers pan {name}'s new {product} as overpriced",
        "{name} halts {product} production over quality problems",
    ),
    EventKind.MACRO: (
        "{name} among losers as {place} imposes new tariffs",
        "Rising input costs seen squeezing {name} margins",
        "{name} slips as {place} slowdown deepens",
        "Hot inflation print hits {name} and rate-sensitive peers",
        "Strong dollar is a headwind for {name}, economists warn",
        "{name} drops with the sector despite upbeat jobs data",
    ),
    EventKind.OTHER: (
        "{name} shares sink {pct}% in heavy trading",
        "{name} falls to 52-week low, no bottom in sight",
        "{name} suspends dividend to preserve cash",
        "{name} finance chief resigns abruptly",
        "{name} to cut {big}% of staff as growth stalls",
        "Short seller alleges inflated figures at {name}; stock plunges",
        "{name} credit rating cut to junk on mounting debt",
        "{name} data breach exposes customers, shares weaken",
    ),
}

NEUTRAL: Phrases = (
    "{name} to report {period} results on Thursday",
    "{name} to present at {firm} technology and industrials conference",
    "What to watch when {name} reports {period} earnings",
    "{name} names new head of {place} operations",
    "{name} schedules annual meeting of shareholders",
    "{name} maintains quarterly dividend, payable next month",
    "{firm} reiterates neutral rating on {name}, target ${usd}",
    "{name} completes previously announced sale of notes worth {money}",
    "{name} opens office in {place}",
    "Options traders eye {name} ahead of {product} event",
    "{name} files its quarterly report with the regulator",
    "{name} and {other} extend existing {product} agreement on unchanged terms",
    "Is {name} a buy or a sell? Here is what the numbers show",
    "{name} trades flat as investors await {place} data",
    "{name} chief speaks about {product} strategy in interview",
    "{name} updates its corporate bylaws",
    "{firm} starts {name} at hold",
    "{name} confirms its outlook, no change to targets",
    "How {name} plans to win in {product}, according to its founder",
    "{name} says talks with {other} are at an early stage, outcome uncertain",
    "{name} denies report of {product} delay, gives no details",
    "{name} employees in {place} vote on new labour agreement",
    "Explainer: how {name} makes its money",
    "{name} appoints {other} veteran to its board",
    "{name} moves its listing date for {period} figures by a week",
    "Five things to know about {name} this week",
    "{name} neither confirms nor denies {other} interest",
    "{name} sponsors {place} engineering prize",
    "{name} refinances {money} credit line at similar terms",
    "{name} rises, then gives back gains in choppy session",
)

ROUNDUPS: Phrases = (
    "Stocks on the move: {first}, {second}, {third}",
    "Midday movers: {first} and {second} lead the tape, {third} in focus",
    "{first} up, {second} down: what moved the market",
    "Analyst calls of the day: {first}, {second}, {third}",
    "Most active options: {first}, {second} and {third}",
    "Market wrap: {first} gains while {second} lags; {third} little changed",
    "Premarket: {second} slips, {first} higher, {third} unchanged",
)

BODIES: Phrases = (
    "The company did not comment beyond its statement.",
    "Trading in the shares was heavier than usual, dealers said.",
    "{name}, which also sells its {product} in {place}, employs several thousand people.",
    "Analysts at {firm} said they would publish a full note later.",
    "The move follows a review begun in {period}.",
    "A spokesperson for {other} declined to comment.",
    "Peers were little changed.",
    "The shares have moved {pct}% this month.",
)

FIRMS = (
    "Aldgate Partners", "Bremer & Vale", "Calloway Securities", "Dunmore Research", "Eastmark Capital",
    "Fairhaven", "Glenrock Advisors", "Hartley Stone",
)  # fmt: skip
OTHERS = (
    "Pellworth Group", "Ostrava Systems", "Quintell Holdings", "Ridgemark", "Sunder & Sons", "Tallis Freight",
    "Umbra Networks", "Westerby Labs",
)  # fmt: skip
PLACES = ("Europe", "China", "Brazil", "India", "Canada", "Japan", "Texas", "Mexico")
PERIODS = ("first-quarter", "second-quarter", "third-quarter", "fourth-quarter", "Q1", "Q2", "Q3", "Q4")
SOURCES = (
    ("Meridian Wire", "meridian-wire.example"),
    ("Street Ledger", "street-ledger.example"),
    ("Harbor Business", "harbor-business.example"),
    ("Tape & Ticker", "tape-ticker.example"),
    ("Company Release", "releases.example"),
)
LEADS = ("", "", "", "", "UPDATE 1-", "Exclusive: ", "Breaking: ", "BRIEF-")
REWORDINGS = (
    (" shares ", " stock "),
    ("raises", "lifts"),
    ("cuts", "trims"),
    ("beats", "tops"),
    ("misses", "falls short of"),
    ("upgrades", "lifts"),
    ("says", "said"),
    (" as ", " while "),
    (" after ", " following "),
    (" to ", " set to "),
)
