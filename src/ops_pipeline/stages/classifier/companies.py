"""Names by which large US companies appear in the news, and tickers that are also words. Pure."""

from typing import Final


def _listed(words: str) -> frozenset[str]:
    """Read whitespace-separated words."""
    return frozenset(words.split())


# One company a line: ticker, then its names, separated by `|`. A name that is also an ordinary
# word (Target, Gap, Block) is listed only in a form that nothing else is called by.
_NAMES: Final = """
AAPL Apple
ABBV AbbVie
ABNB Airbnb
ABT Abbott Laboratories|Abbott
ACN Accenture
ADBE Adobe
AIG American International Group
ALL Allstate
AMAT Applied Materials
AMD Advanced Micro Devices|AMD
AMGN Amgen
AMZN Amazon|Amazon.com|AWS|Amazon Web Services
ANET Arista Networks|Arista
APP AppLovin
ARM Arm Holdings
ASML ASML
AVGO Broadcom
AXP American Express|AmEx
BA Boeing
BABA Alibaba
BAC Bank of America|BofA
BIIB Biogen
BKNG Booking Holdings|Booking.com
BLK BlackRock
BMY Bristol Myers Squibb|Bristol-Myers Squibb|Bristol-Myers
BRK.B Berkshire Hathaway|Berkshire
C Citigroup|Citi
CAT Caterpillar
CHTR Charter Communications
CMCSA Comcast
CMG Chipotle|Chipotle Mexican Grill
COIN Coinbase
COP ConocoPhillips
COST Costco
CRM Salesforce|salesforce.com
CRWD CrowdStrike
CSCO Cisco|Cisco Systems
CVNA Carvana
CVS CVS Health|CVS
CVX Chevron
DAL Delta Air Lines
DASH DoorDash
DDOG Datadog
DE Deere|John Deere
DELL Dell|Dell Technologies
DIS Disney|Walt Disney
EA Electronic Arts
EBAY eBay
F Ford|Ford Motor
FDX FedEx
FSLR First Solar
GE GE Aerospace|General Electric
GILD Gilead Sciences|Gilead
GM General Motors
GME GameStop
GOOGL Alphabet|Google|YouTube|Waymo
GS Goldman Sachs|Goldman
HD Home Depot
HOOD Robinhood|Robinhood Markets
HPQ HP Inc
HON Honeywell
IBM IBM|International Business Machines
INTC Intel
INTU Intuit
IT Gartner
JNJ Johnson & Johnson|J&J
JPM JPMorgan|JPMorgan Chase|JP Morgan
KEY KeyCorp|KeyBank
KO Coca-Cola
LLY Eli Lilly|Lilly
LMT Lockheed Martin|Lockheed
LOW Lowe's
LRCX Lam Research
LULU Lululemon
LYFT Lyft
MA Mastercard
MCD McDonald's
MDT Medtronic
META Meta Platforms|Meta|Facebook|Instagram|WhatsApp
MMM 3M
MO Altria
MRK Merck
MRNA Moderna
MRVL Marvell|Marvell Technology
MS Morgan Stanley
MSFT Microsoft|LinkedIn|Azure
MSTR MicroStrategy|Strategy Inc
MU Micron|Micron Technology
NET Cloudflare
NFLX Netflix
NKE Nike
NOW ServiceNow
NVDA Nvidia
ON ON Semiconductor|onsemi
ORCL Oracle
OXY Occidental Petroleum|Occidental
PANW Palo Alto Networks
PEP PepsiCo|Pepsi
PFE Pfizer
PG Procter & Gamble|P&G
PLTR Palantir
PLUG Plug Power
PM Philip Morris
PYPL PayPal
QCOM Qualcomm
RBLX Roblox
RDDT Reddit
RIVN Rivian
ROKU Roku
RTX Raytheon|RTX Corporation
SBUX Starbucks
SCHW Charles Schwab|Schwab
SHOP Shopify
SLB Schlumberger
SMCI Super Micro Computer|Super Micro|Supermicro
SNAP Snapchat|Snap Inc
SNOW Snowflake
SOFI SoFi|SoFi Technologies
SPOT Spotify
SQ Block Inc|Square Inc|Cash App
T AT&T
TGT Target Corp|Target Corporation
TMO Thermo Fisher
TMUS T-Mobile
TSLA Tesla
TSM TSMC|Taiwan Semiconductor
TXN Texas Instruments
UAL United Airlines
UBER Uber
UNH UnitedHealth|UnitedHealthcare
UPS United Parcel Service|UPS
V Visa
VZ Verizon
WBD Warner Bros. Discovery|Warner Bros
WDAY Workday
WDC Western Digital
WFC Wells Fargo
WMT Walmart
X US Steel|U.S. Steel|United States Steel
XOM Exxon|Exxon Mobil|ExxonMobil
ZM Zoom Video|Zoom Communications
"""
COMPANY_NAMES: Final = {
    line.partition(" ")[0]: tuple(line.partition(" ")[2].split("|")) for line in _NAMES.strip().splitlines()
}

# Written bare these are words, abbreviations or units; one or two letters always are.
AMBIGUOUS_TICKERS: Final = _listed(
    """
    ACT AIR ALL ANY APP ARE ARM AWAY BAR BEST BIG BIT BOX BUY CAN CAR CARE CASH CAT CEO CFO COIN COOL
    COST CPI CUT DASH DAY DEAL DELL EAT EDIT ETF EVER EYE FAST FIVE FLOW FOR FUN FUND GAP GDP GOLD
    GOOD GROW HAS HE HOME HOOD HOPE IPO ITS JOB JOBS KEY KIDS LAND LIFE LOVE LOW MAIN MAN MIND MOD
    MOVE NET NEW NEXT NICE NOW OIL OLD ONE OPEN OUT PAY PEAK PLAY PLAN PLUG POST POOL PUMP REAL RIDE
    ROAD ROCK RUN SAFE SAVE SEE SHOP SITE SKY SNAP SNOW SON SPOT STAY STEM SUN TEAM TECH TELL TEN
    TRUE TURN TWO USA USD VERY VIEW WELL WIN WOLF WOOD WORK YOU ZERO GAIN LIVE PEN PER PRO TOP BEAT
    """
)

# Their analysts rate other companies: named beside one, they are the speaker and not the subject.
BROKERS: Final = frozenset({"BAC", "C", "GS", "JPM", "MS", "SCHW", "WFC"})

# Endings that a headline leaves off a company's name.
NAME_ENDINGS: Final = _listed(
    """inc inc. incorporated corp corp. corporation co co. company ltd ltd. limited plc llc lp group
    holdings holding technologies technology systems industries international enterprises labs
    laboratories therapeutics pharmaceuticals pharma energy financial bancorp partners brands
    platforms networks the and &"""
)

# First words too common to stand for a company by themselves.
COMMON_FIRST_WORDS: Final = _listed(
    """advanced air alpha american applied atlantic best big blue bright capital central city clear
    cloud coast consolidated delta digital direct eagle east eastern electric energy express federal
    first fresh general global gold golden grand great green health home host ideal independent
    international key liberty life main metro mid mountain national new next north northern ocean old
    one open pacific power premier prime pro public quantum rapid red royal safe silver simple smart
    solar south southern standard star state summit sun super texas the total trade trans true union
    united universal urban us valley vector victory vista vital western white world"""
)
