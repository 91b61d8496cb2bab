"""Finance vocabulary of the lexicon model: what moves, which way, and what that means. Pure."""

from typing import Final


def _weighted(groups: dict[float, str]) -> dict[str, float]:
    """Spread whitespace-separated words over their group's weight."""
    return {word: weight for weight, words in groups.items() for word in words.split()}


def _listed(words: str) -> frozenset[str]:
    """Read whitespace-separated words."""
    return frozenset(words.split())


# Verbs and their nouns that say "more" (+1) or "less" (-1) of whatever they are said of.
DIRECTION: Final = _weighted(
    {
        1.0: """
        rise rises rose risen rising grow grows grew grown growing growth increase increases
        increased increasing climb climbs climbed climbing jump jumps jumped jumping gain gains
        gained gaining advance advances advanced advancing surge surges surged surging soar soars
        soared soaring rally rallies rallied rallying rebound rebounds rebounded rebounding spike
        spikes spiked spiking double doubles doubled doubling triple triples tripled tripling
        quadrupled quadruples expand expands expanded widen widens widened widening accelerate
        accelerates accelerated accelerating swell swells swelled upturn uptick pop pops popped
        higher leap leaps leapt leaped skyrocket skyrockets skyrocketed recover recovers recovered
        recovery multiplied up edges-up ticks-up bounce bounces bounced bouncing
        """,
        -1.0: """
        fall falls fell fallen falling decrease decreases decreased decreasing decline declines
        declined declining drop drops dropped dropping slide slides slid sliding slip slips slipped
        slipping sink sinks sank sunk sinking tumble tumbles tumbled tumbling plunge plunges plunged
        plunging plummet plummets plummeted plummeting shrink shrinks shrank shrunk shrinking slump
        slumps slumped slumping contract contracts contracted contracting contraction dip dips
        dipped dipping narrow narrows narrowed narrowing ease eases eased easing diminish diminished
        diminishes halve halved halves dwindle dwindled dwindles slow slows slowed slowing slowdown
        crash crashes crashed crashing nosedive nosedives nosedived sag sags sagged tank tanks
        tanked tanking lower down collapse collapses collapsed collapsing downturn deteriorate
        deteriorates deteriorated retreat retreats retreated skid skids skidded slashed
        """,
    }
)

# Verbs that act on the noun after them: "cuts costs", "raises guidance".
TRANSITIVE: Final = _weighted(
    {
        1.0: """
        raise raises raised raising lift lifts lifted lifting boost boosts boosted boosting hike
        hikes hiked hiking increase increases increased increasing grow grows grew expand expands
        expanded expanding double doubles doubled enhance enhances enhanced enhancing
        """,
        -1.0: """
        cut cuts cutting reduce reduces reduced reducing reduction lower lowers lowered lowering
        trim trims trimmed trimming slash slashes slashing decrease decreases decreased decreasing
        slashed curb curbs curbed shed sheds halve halves halved save saves
        """,
    }
)

# Direction words that, said of no known noun, still describe a share price.
MARKET_MOVES: Final = _listed(
    """
    falls fell fall rises rose rise jumps jumped jump gains gained climbs climbed surges surged
    surge soars soared soar rallies rallied rally rebounds rebounded tumbles tumbled tumble plunges
    plunged plunge plummets plummeted slides slid slide slips slipped slip sinks sank slumps slumped
    slump drops dropped drop dips dipped crash crashes crashed tanks tanked skids skidded sags
    sagged pops popped spikes spiked leaps leapt skyrockets skyrocketed retreats retreated advances
    advanced bounces bounced nosedives edges-up ticks-up collapses collapsed declines declined
    """
)

# What it means for a company when this noun goes up; 0 stops the search without an opinion.
NOUNS: Final = _weighted(
    {
        1.0: """
        sales revenue revenues profit profits profitability earnings income ebit ebitda eps margin
        margins turnover demand orders backlog bookings orderbook dividend dividends payout share
        shares stock stocks volume volumes output production productivity efficiency cashflow
        cash-flow guidance outlook forecast forecasts traffic deliveries shipments subscribers users
        customers exports market-share occupancy liquidity confidence competitiveness performance
        results return returns premiums premium assets deposits visitors passengers sentiment
        index economy gdp wages employment jobs hiring futures markets market equities valuation
        sold estimates target targets rating spending adoption growth advertising consumption
        business intake operations quality nasdaq dow ftse s&p oil gold price prices activity
        result capacity visibility momentum appetite hopes net proceeds popularity reputation
        ratings optimism expectations
        """,
        -1.0: """
        loss losses cost costs expense expenses debt debts indebtedness deficit liabilities
        impairment impairments writedown writedowns write-downs unemployment inflation layoffs
        churn defaults delinquencies charges charge inventories inventory tariffs tariff taxes tax
        claims jobless bankruptcies risk risks volatility complaints emissions recalls burn
        vacancies vacancy competition uncertainty overheads provisions outflows fears tensions
        leverage infections deaths cases gearing downtime waste consumption-tax shortfall
        """,
        0.0: """
        stake stakes holding holdings ownership shareholding voting capital nominal number option
        options rights workforce meeting interest interests awareness headcount
        """,
    }
)

# Words that carry an opinion by themselves.
OPINION: Final = _weighted(
    {
        1.0: """
        upgrade upgrades upgraded outperform overweight bullish beat beats outpaces outperforms
        outperformed exceeds exceeded surpasses surpassed surpass blowout stellar upbeat
        breakthrough
        overperform record-breaking better-than-expected stronger-than-expected moon mooning
        undervalued tops topped buyback buybacks
        """,
        0.6: """
        strong stronger strongest strongly robust solid healthy impressive excellent outstanding
        favorable favourable favourably positive positively successful successfully success improve
        improves improved improving improvement improvements profitable win wins won winning
        awarded secures secured approval approved approves approve clears cleared milestone
        breakout upside bull bulls optimistic optimism confident momentum thrive thrives thriving
        boom booming flourishing strengthen strengthens strengthened strengthening strength
        outpace outpacing promising attractive rewarded resilient resilience lucrative delight
        winner winners exceptional best superior opportunity opportunities upwards upward squeeze
        nice great green calls gainers higher-than-expected bargain cheap
        oversold uptrend love topper reinstate reinstates awesome beautiful rip rocket
        breaking-out rewarding
        """,
        0.4: """
        good better faster efficient buy bought buying long support snaps-up met meets
        efficiently leading advantage benefit benefits beneficial gain
        enhance enhances enhanced enhancing expand expanding expands expansion innovative
        partnership hopes hope helped help helps saving savings boost boosts lifts
        happy pleased satisfied agreement collaboration launches
        record highest accelerate reward interesting launch optimistic ramp
        competitive achieve achieved achieves accretive well-positioned recovery restore restored
        eases easing truce resolves resolved
        """,
        -1.0: """
        downgrade downgrades downgraded underperform underweight bearish miss misses missed
        bankruptcy bankrupt insolvency insolvent fraud fraudulent delisted delisting layoff layoffs
        plunge disappoints disappointing disappointed disappoint disappointment scandal
        worse-than-expected weaker-than-expected slashes warns dumping meltdown rout restatement
        underperforms underperformed overvalued sell-off selloff
        """,
        -0.6: """
        weak weaker weakest weakness weakens weakened weakening poor poorly worse worst negative
        negatively adverse adversely lawsuit lawsuits sue sues sued suing probe probes investigation
        investigates investigated fine fined fines penalty penalties recall recalls recalled
        breach breached hack hacked outage delay delays delayed halt halts halted suspend suspends
        suspended suspension warning warn warned concern concerns worry worries worried fear fears
        crisis trouble troubled troubles struggling struggle struggles struggled problem problems
        loses lose losing lost headwind headwinds downside bear bears pessimistic pessimism gloomy
        shortage shortages shutdown strike closure closures closing-down redundancies redundancy
        lay-off lay-offs laid-off dismiss dismissed fail fails failed failure failing rejects
        rejected reject blocked blocks antitrust illegal unlawful violation violations accused
        accuses allegations alleged plagued jeopardy threat threatens threatened threaten
        recession default defaults toxic overbought unprofitable hurt hurts hurting dilution
        dilutive writedown write-down impairment unfavourable unfavorable challenging difficult
        pressure pressured drag drags dragged victim cancelled canceled cancels cancel cancellation
        terminates terminated sold-off short shorts puts red disruption disruptions bad ugly
        dump dumped recalling probing blames blamed corruption underwhelm underwhelms
        underwhelming awful weighs sellers fined implicated non-compliance derailment
        dumps scam junk crap losers lower-than-expected sluggish stagnant damage damaged damages
        severe bleak unrest sanctions downtrend breakdown tariffs lags lag lagged lagging exodus
        resigns blow turmoil woes slaps burned bubble expensive rip-off
        """,
        -0.4: """
        risk risks risky sell selling axes disruptive uncertain uncertainty cautious doubt
        doubts dispute disputes slow sluggishly
        unable unfortunately hard hits hit conflict volatile controversy drags bans ban banned
        criticism criticised criticized tough resign lowest downward downwards scrutiny virus
        coronavirus outbreak curbs offering jitters slowdown suffer suffers suffered limits
        """,
    }
)

NEGATIONS: Final = _listed(
    """not no never neither nor without cannot can't won't doesn't don't didn't isn't aren't wasn't
    weren't hasn't haven't wouldn't couldn't shouldn't hardly denies deny denied unlikely avoid
    avoids avoided despite fails failed fail"""
)
HEDGES: Final = _listed(
    """may might could possibly potentially potential perhaps likely rumor rumors rumour reportedly
    seems appears if whether would should can"""
)
# Verbs before up, down, higher or lower that make these describe a level.
LEVEL_VERBS: Final = _listed(
    """
    is are was were be trade trades trading open opens opened opening end ends ended close closes
    closed closing finish finishes finished settle settles settled move moves moved moving push
    pushes pushed drive drives drove pull pulls send sends sent go goes going head heads
    """
)
# A clause opened by one of these weighs less than the main statement.
CONCESSIONS: Final = _listed("despite although though notwithstanding even-though")
CLAUSE_BREAKS: Final = _listed("but however while whereas although though yet ; . ! ? : | despite amid")
