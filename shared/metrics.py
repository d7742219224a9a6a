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
MARKS = Gauge(
    "zeren_marks_pages",
    "Page numbers of all books of this process added up: decided (head), states written, said, people told",
    ["service", "mark"],
)
SAID_PAGES = Counter("zeren_said_pages_total", "Pages said by this process", ["service"])
CONSUMER_LAG = Gauge(
    "zeren_consumer_lag_records",
    "Records of a topic, Said among them, that this process has not read yet, as of its last fetch",
    ["service", "topic"],
)
PARKED = Gauge(
    "zeren_parked_streams",
    "Streams that wait behind a dead letter, in the books of this process",
    ["service"],
)
VERIFIED = Gauge(
    "zeren_verified_timestamp_seconds",
    "When the book of this process that was verified longest ago was, in seconds since 1970; 0 for never",
    ["service"],
)
VERIFY_FAULTS = Gauge(
    "zeren_verify_faults", "Faults found when the books of this process were last verified", ["service"]
)
LOOP_LAG = Gauge(
    "zeren_loop_lag_seconds", "How late a sleep ended at worst, in the last quarter of a minute", ["service"]
)
BOOKS = Gauge("zeren_books", "Books that the service has, whoever writes them", ["service"])
OPEN_BOOKS = Gauge("zeren_open_books", "Books that this process writes", ["service"])
TIMER_BEHIND = Gauge(
    "zeren_timer_behind_seconds",
    "Business time by which the earliest moment has passed at which a stream has yet to be woken",
    ["service"],
)
TIMER_DUE = Gauge(
    "zeren_timer_due_streams", "Streams whose moment has come and that are yet to be woken", ["service"]
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
