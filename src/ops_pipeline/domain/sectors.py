"""GICS sectors of large US names, for the concentration cap. Pure.

A reference table, not a feed: a name that is not in it counts as a sector of its own, which caps it
by itself and never groups it wrongly. Funds of whatever theme are 'index'.
"""

INDEX = "index"

_MEMBERS: dict[str, str] = {
    "Communication Services": (
        "GOOGL GOOG META NFLX DIS CMCSA T VZ TMUS CHTR EA TTWO WBD LYV OMC ROKU SNAP PINS SPOT RDDT"
    ),
    "Consumer Discretionary": (
        "AMZN TSLA HD MCD NKE LOW SBUX BKNG TJX CMG ABNB MAR HLT GM F ORLY AZO ROST LULU YUM DHI LEN EBAY "
        "DASH CCL RCL CVNA GME RIVN LCID BABA PDD JD DKNG"
    ),
    "Consumer Staples": ("WMT COST PG KO PEP PM MO MDLZ CL TGT KMB GIS KHC STZ KR SYY DG DLTR MNST ADM"),
    "Energy": ("XOM CVX COP SLB EOG MPC PSX VLO OXY WMB KMI OKE HAL BKR DVN FANG"),
    "Financials": (
        "BRK.B BRKB JPM V MA BAC WFC GS MS AXP C SCHW BLK SPGI BX CB PGR MMC CME ICE USB PNC TFC COF PYPL "
        "AIG MET PRU COIN HOOD SOFI XYZ KKR APO MCO AFRM"
    ),
    "Health Care": (
        "LLY UNH JNJ ABBV MRK TMO ABT AMGN PFE DHR ISRG BMY GILD VRTX SYK MDT ELV CI CVS BSX REGN ZTS HCA "
        "MRNA BIIB DXCM HUM MCK BDX"
    ),
    "Industrials": (
        "GE CAT RTX BA UNP HON DE LMT UPS ADP ETN GEV UBER FDX GD NOC CSX NSC WM EMR MMM ITW PH DAL UAL "
        "AAL LUV AXON JCI CMI SPXC MOD"
    ),
    "Information Technology": (
        "AAPL MSFT NVDA AVGO ORCL CRM AMD ADBE CSCO ACN INTC QCOM TXN IBM INTU NOW AMAT MU LRCX ADI KLAC "
        "PANW CRWD ANET SNPS CDNS PLTR DELL SMCI MRVL ON FTNT APP SNOW DDOG NET TSM ASML ARM MSTR SHOP "
        "HPQ WDC STX ZS TEAM"
    ),
    "Materials": ("LIN SHW APD ECL FCX NEM NUE DOW DD CTVA ALB VMC MLM PPG CF"),
    "Real Estate": ("PLD AMT EQIX CCI PSA O SPG WELL DLR VICI CBRE AVB"),
    "Utilities": ("NEE SO DUK CEG AEP SRE D EXC VST XEL PEG ED PCG"),
    INDEX: (
        "SPY QQQ IWM DIA VOO VTI IVV XLF XLE XLK XLV XLI XLP XLY XLU XLB XLRE XLC SMH SOXX ARKK EEM EFA "
        "GLD SLV TLT HYG LQD USO UNG KRE XBI GDX FXI TQQQ SQQQ SOXL SOXS UVXY VXX SPX SPXW NDX RUT VIX"
    ),
}

SECTORS: dict[str, str] = {ticker: sector for sector, row in _MEMBERS.items() for ticker in row.split()}


def sector_of(ticker: str) -> str:
    """Name a ticker's sector: GICS, 'index' for funds and indices, or the unknown ticker itself."""
    return SECTORS.get(ticker, ticker)
