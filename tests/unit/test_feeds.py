"""Reading RSS and Atom: times, plain text, refusals, conditional requests and the host allow-list."""

import hashlib
from datetime import UTC, datetime, timedelta
from threading import Event

import httpx2
import pytest

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.feeds.background import BackgroundSource
from ops_pipeline.adapters.feeds.client import Feed, FeedSource, check_address, fetch_page
from ops_pipeline.adapters.feeds.parse import MAX_BYTES, FeedError, clean_url, parse_feed
from ops_pipeline.adapters.store.store import open_store
from ops_pipeline.app import compose
from ops_pipeline.app.newsfeeds import with_feeds
from ops_pipeline.app.options import FeedOptions, NewsOptions
from ops_pipeline.app.settings import load_settings
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.records import Failed
from ops_pipeline.stages.news_ingest.dedupe import DedupeRules
from ops_pipeline.stages.news_ingest.service import NewsIngestPorts, run_once

SEEN = datetime(2026, 3, 12, 15, 0, tzinfo=UTC)
URL = "https://feeds.example.com/news.xml"
HOSTS = ("feeds.example.com", "cdn.example.com")


def rss(*items, declaration=""):
    body = "".join(items)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{declaration}<rss version="2.0"><channel>'
        f"<title>Wire</title><link>https://wire.example/</link>{body}</channel></rss>"
    ).encode()


def entry(
    title="Halcyon raises guidance",
    link="https://wire.example/1",
    date="Thu, 12 Mar 2026 09:30:00 -0400",
    body="",
):
    stamp = f"<pubDate>{date}</pubDate>" if date else ""
    return f"<item><title>{title}</title><link>{link}</link>{stamp}<description>{body}</description></item>"


ATOM = b"""<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>Wire</title><id>urn:1</id><updated>2026-03-12T14:00:00Z</updated>
<entry><title>Northvale opens a branch</title><id>urn:2</id><link href="https://wire.example/2?utm_source=x#top"/>
<published>2026-03-12T13:45:00+01:00</published><updated>2026-03-12T14:00:00Z</updated>
<summary>Short.</summary></entry></feed>"""


def parse(content):
    return parse_feed(content, source="wire", seen_at=SEEN)


def test_an_rss_entry_becomes_an_item_in_utc():
    (item,) = parse(rss(entry(body="&lt;p&gt;Sales &lt;b&gt;rise&lt;/b&gt;.&lt;/p&gt;")))
    assert item.news_id == hashlib.sha256(b"wire\nhttps://wire.example/1").hexdigest()
    assert item.published_at == datetime(2026, 3, 12, 13, 30, tzinfo=UTC)
    assert item.first_seen_at == SEEN
    assert (item.headline, item.body) == ("Halcyon raises guidance", "Sales rise.")


def test_an_atom_entry_is_dated_by_its_publication_and_stripped_of_tracking():
    (item,) = parse(ATOM)
    assert item.published_at == datetime(2026, 3, 12, 12, 45, tzinfo=UTC)
    assert item.url == "https://wire.example/2"


@pytest.mark.parametrize("date", ["", "next Tuesday", "Fri, 13 Mar 2026 09:30:00 GMT"])
def test_an_entry_without_a_usable_date_counts_as_published_when_seen(date):
    (item,) = parse(rss(entry(date=date)))
    assert item.published_at == SEEN


def test_entries_come_oldest_first_and_once():
    later = entry(link="https://wire.example/2", date="Thu, 12 Mar 2026 10:30:00 GMT")
    earlier = entry(date="Thu, 12 Mar 2026 08:30:00 GMT")
    assert [item.url[-1] for item in parse(rss(later, earlier, earlier))] == ["1", "2"]


@pytest.mark.parametrize("link", ["javascript:alert(1)", "file:///etc/passwd", "", "data:text/html,x"])
def test_an_entry_without_a_web_address_is_left_out(link):
    assert parse(rss(entry(link=link))) == ()


def test_an_entry_without_a_headline_is_left_out():
    assert parse(rss(entry(title="&lt;script&gt;x()&lt;/script&gt;"))) == ()


@pytest.mark.parametrize(
    "declaration",
    ['<!DOCTYPE r [<!ENTITY a "aaaa">]>', '<!doctype r SYSTEM "file:///etc/passwd">', '<!ENTITY a "b">'],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_with_its_own_declarations_is_refused(declaration, encoding):
    with pytest.raises(FeedError, match="declaration"):
        parse(rss(entry(), declaration=declaration).decode().encode(encoding))


def test_a_document_over_the_cap_is_refused():
    with pytest.raises(FeedError, match=f"at most {MAX_BYTES} bytes"):
        parse(rss(entry(body="x" * MAX_BYTES)))


def test_a_document_that_spells_a_path_opens_no_file(tmp_path):
    (tmp_path / "feed.xml").write_bytes(rss(entry()))
    with pytest.raises(FeedError, match="expected RSS or Atom"):
        parse(str(tmp_path / "feed.xml").encode())


@pytest.mark.parametrize("content", [b"", b"not a feed", b"{}", b"\xff\xfe\x00", b"<html><p>hi</p></html>"])
def test_what_is_no_feed_is_refused(content):
    with pytest.raises(FeedError, match="expected RSS or Atom"):
        parse(content)


@pytest.mark.parametrize(
    ("url", "cleaned"),
    [
        ("HTTPS://Wire.Example/A?utm_medium=x&id=2#f", "https://wire.example/A?id=2"),
        ("ftp://wire.example/a", None),
        ("https://[bad", None),
        ("https:///nohost", None),
    ],
)
def test_an_address_is_cleaned_or_refused(url, cleaned):
    assert clean_url(url) == cleaned


def client(handler):
    return httpx2.Client(transport=httpx2.MockTransport(handler))


def page(handler, url=URL, *, etag=None, last_modified=None):
    return fetch_page(client(handler), url, etag=etag, last_modified=last_modified, allowed_hosts=HOSTS)


def test_validators_of_the_last_answer_are_sent_and_304_reads_nothing():
    asked = []

    def handler(request):
        asked.append((request.headers.get("if-none-match"), request.headers.get("if-modified-since")))
        if len(asked) > 1:
            return httpx2.Response(304)
        dated = "Thu, 12 Mar 2026 09:00:00 GMT"
        return httpx2.Response(200, content=rss(entry()), headers={"etag": '"v1"', "last-modified": dated})

    source = FeedSource(client(handler), [Feed(source="wire", url=URL)], allowed_hosts=HOSTS)
    assert len(source.fetch(since=SEEN - timedelta(minutes=1), now=SEEN)) == 1
    assert source.fetch(since=SEEN, now=SEEN + timedelta(minutes=1)) == ()
    assert asked == [(None, None), ('"v1"', "Thu, 12 Mar 2026 09:00:00 GMT")]
    assert source.health["wire"].failures == 0


def test_a_broken_document_is_asked_for_again_without_its_validator():
    asked = []

    def handler(request):
        asked.append(request.headers.get("if-none-match"))
        return httpx2.Response(200, content=b"oops", headers={"etag": '"bad"'})

    source = FeedSource(client(handler), [Feed(source="wire", url=URL)], allowed_hosts=HOSTS)
    source.fetch(since=SEEN, now=SEEN)
    source.fetch(since=SEEN, now=SEEN)
    assert asked == [None, None]
    assert source.health["wire"].failures == 2
    assert "expected RSS or Atom" in source.health["wire"].error


def test_one_feed_that_fails_does_not_stop_the_others():
    def handler(request):
        if request.url.host == "cdn.example.com":
            raise httpx2.ConnectTimeout("timed out")
        return httpx2.Response(200, content=rss(entry()))

    feeds = [Feed(source="slow", url="https://cdn.example.com/f"), Feed(source="wire", url=URL)]
    source = FeedSource(client(handler), feeds, allowed_hosts=HOSTS)
    assert [item.source for item in source.fetch(since=SEEN, now=SEEN)] == ["wire"]
    assert source.health["slow"].failures == 1
    assert source.health["wire"].succeeded_at == SEEN


def test_items_older_than_the_age_limit_are_left_out():
    old = entry(date="Thu, 05 Mar 2026 09:30:00 GMT")
    source = FeedSource(
        client(lambda _: httpx2.Response(200, content=rss(old))),
        [Feed(source="wire", url=URL)],
        allowed_hosts=HOSTS,
    )
    assert source.fetch(since=SEEN, now=SEEN) == ()


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_another_status_is_a_failure(status):
    with pytest.raises(FeedError, match=f"was {status}"):
        page(lambda _: httpx2.Response(status))


def test_a_redirect_is_followed_to_an_allowed_host_only():
    def moved(location):
        def handler(request):
            if request.url.path == "/news.xml":
                return httpx2.Response(301, headers={"location": location})
            return httpx2.Response(200, content=b"moved")

        return handler

    assert page(moved("https://cdn.example.com/new")).content == b"moved"
    assert page(moved("/new")).content == b"moved"
    for location in ("https://evil.example/x", "http://feeds.example.com/new", "https://127.0.0.1/new"):
        with pytest.raises(FeedError, match="expected"):
            page(moved(location))


def test_a_circle_of_redirects_ends():
    with pytest.raises(FeedError, match="at most 3 redirects"):
        page(lambda _: httpx2.Response(302, headers={"location": URL}))


def test_reading_stops_at_the_cap():
    read = []

    def endless():
        for _ in range(1000):
            read.append(1)
            yield b"x" * 64 * 1024

    with pytest.raises(FeedError, match="found more"):
        page(lambda _: httpx2.Response(200, content=endless()))
    assert len(read) < 10


@pytest.mark.parametrize(
    "url",
    [
        "http://feeds.example.com/",
        "https://other.example/",
        "https://feeds.example.com:8443/",
        "https://user:secret@feeds.example.com/",
        "https://169.254.169.254/",
        "https://[::1]/",
        "file:///etc/passwd",
        "feeds.example.com",
    ],
)
def test_an_address_off_the_allow_list_is_refused(url):
    with pytest.raises(FeedError, match="expected"):
        check_address(url, HOSTS)
    with pytest.raises(FeedError, match="expected"):
        FeedSource(client(lambda _: None), [Feed(source="x", url=url)], allowed_hosts=HOSTS)


OPTIONS = NewsOptions(feeds=(FeedOptions(source="wire", url=URL),))


def simulated():
    settings = load_settings(accounts=[])
    return compose.simulated_market(settings, exchange_calendar())


def background_of(market) -> BackgroundSource:
    return market.news.sources[1]


def test_configured_feeds_are_read_beside_the_markets_own_news():
    market = with_feeds(
        simulated(),
        OPTIONS,
        elapsed=lambda: 0.0,
        client=client(lambda _: httpx2.Response(200, content=rss(entry()))),
    )
    first = market.news.fetch(since=SEEN - timedelta(minutes=1), now=SEEN)
    assert "wire" not in {item.source for item in first}
    background_of(market).settle(5.0)
    later = SEEN + timedelta(minutes=1)
    (item,) = [item for item in market.news.fetch(since=SEEN, now=later) if item.source == "wire"]
    # It was not known before it arrived, whenever it was asked for.
    assert (item.headline, item.first_seen_at) == ("Halcyon raises guidance", later)
    assert market.news_troubles() == ()


def test_a_feed_that_fails_is_reported_and_stops_nothing(tmp_path):
    def handler(_request):
        raise httpx2.ConnectTimeout("timed out")

    market = with_feeds(simulated(), OPTIONS, elapsed=lambda: 0.0, client=client(handler))
    with open_store(
        f"sqlite:///{tmp_path}/news.db", durable=False, database_id="d", holder="t", clock=lambda: SEEN
    ) as store:
        ports = NewsIngestPorts(
            source=background_of(market), troubles=market.news_troubles, store=store, seen={}
        )
        run_once(SEEN, ports, DedupeRules())
        background_of(market).settle(5.0)
        report = run_once(SEEN + timedelta(minutes=1), ports, DedupeRules())
    assert report.failed == (Failed(item="feed wire", error="timed out"),)


@pytest.mark.parametrize("error", [RecursionError("too deep"), ValueError("")])
def test_whatever_a_document_does_to_the_parser_is_a_failure_of_its_feed(error):
    def handler(_request):
        raise error

    source = FeedSource(client(handler), [Feed(source="wire", url=URL)], allowed_hosts=HOSTS)
    assert source.fetch(since=SEEN, now=SEEN) == ()
    (trouble,) = source.troubles()
    assert trouble.error == (str(error) or "ValueError")


def test_feeds_are_asked_at_most_once_a_minute_of_the_wall_whatever_the_market_s_speed():
    asked, wall = [], [0.0]

    def handler(_request):
        asked.append(wall[0])
        return httpx2.Response(304)

    market = with_feeds(simulated(), OPTIONS, elapsed=lambda: wall[0], client=client(handler))
    for second in range(0, 181, 10):
        wall[0] = float(second)
        background_of(market).fetch(since=SEEN, now=SEEN)
        background_of(market).settle(5.0)
    assert asked == [0.0, 60.0, 120.0, 180.0]


def test_a_slow_feed_keeps_nobody_waiting():
    gate = Event()

    def handler(_request):
        gate.wait(5.0)
        return httpx2.Response(200, content=rss(entry()))

    source = BackgroundSource(
        FeedSource(client(handler), [Feed(source="wire", url=URL)], allowed_hosts=HOSTS),
        elapsed=lambda: 0.0,
        every_s=60,
    )
    assert source.fetch(since=SEEN, now=SEEN) == ()
    assert source.fetch(since=SEEN, now=SEEN) == ()  # the answer is still out
    gate.set()
    source.settle(5.0)
    assert len(source.fetch(since=SEEN, now=SEEN)) == 1


def test_without_a_feed_the_market_s_news_is_all_there_is():
    market = simulated()
    assert with_feeds(market, NewsOptions(), elapsed=lambda: 0.0) is market


def test_an_address_that_may_not_be_fetched_is_a_configuration_error():
    options = NewsOptions(feeds=(FeedOptions(source="wire", url="http://feeds.example.com/x"),))
    with pytest.raises(ConfigurationError, match=r"news\.feeds: .*expected https"):
        with_feeds(simulated(), options, elapsed=lambda: 0.0)


def test_feeds_are_set_in_the_file(tmp_path):
    path = tmp_path / "ops.toml"
    path.write_text(f'[news]\nhosts = ["cdn.example.com"]\n[[news.feeds]]\nsource = "wire"\nurl = "{URL}"\n')
    news = load_settings(path).news
    assert news == NewsOptions(feeds=(FeedOptions(source="wire", url=URL),), hosts=("cdn.example.com",))
