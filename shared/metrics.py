"""The kit's metrics: name, unit, labels from closed sets, meaning."""

from collections.abc import Collection

from prometheus_client import Counter, Gauge, Histogram

from contracts.topics import FACTS as FACTS_OF_TOPICS

HOUR, DAY = 3600, 86400
LATENESS_BUCKETS = (
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900),
    *(HOUR, 6 * HOUR, DAY, 3 * DAY, 7 * DAY),
)

RECORDS = Counter("zeren_records_total", "Records heard", ["topic", "type", "result"])
PAGES = Counter("zeren_pages_total", "Pages appended", ["service"])
FACTS = Counter("zeren_facts_total", "Facts decided by this process, each once", ["service", "type"])
RELAY_LAG = Gauge("zeren_relay_lag_pages", "Pages not yet said, all books of this process", ["service"])
STATE_LAG = Gauge("zeren_state_lag_pages", "Pages whose states are not yet written", ["service"])
BOOKS = Gauge("zeren_books", "Books that the service has, whoever writes them", ["service"])
OPEN_BOOKS = Gauge("zeren_open_books", "Books that this process writes", ["service"])
TIMER_BEHIND = Gauge(
    "zeren_timer_behind_seconds",
    "Business time by which the earliest moment has passed at which a stream has yet to be woken",
    ["service"],
)
TIMERS_HELD = Gauge(
    "zeren_timers_held", "Streams whose moment has come and that may not speak yet", ["service"]
)
REQUESTS = Histogram("zeren_http_request_seconds", "HTTP requests", ["service", "method", "status"])


def begin(service: str, *, books: int, says: Collection[str], hears: Collection[str]) -> None:
    """Count from nought: no rate sees the first of what was not there before."""
    BOOKS.labels(service).set(books)
    for type_, fact in FACTS_OF_TOPICS.items():
        if fact.topic in says:
            FACTS.labels(service, type_)
        if fact.topic in hears:
            RECORDS.labels(fact.topic, type_, "dead_letter")
    for topic in hears:
        RECORDS.labels(topic, "unreadable", "dead_letter")
