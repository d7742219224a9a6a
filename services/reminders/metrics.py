"""What people on duty watch: how late reminders is, and what waits for whom."""

from prometheus_client import Counter, Gauge, Histogram

from contracts.duties import Line
from shared.metrics import LATENESS_BUCKETS

LEVELS = 6
"""From the bearer itself to a country above a village; a rung above is counted from its second time on."""
WAKEUP_LATENESS = Histogram(
    "reminders_wakeup_lateness_seconds",
    "Real seconds to a decision from its planned moment, or from the Said that allowed it if later",
    ["kind"],
    buckets=LATENESS_BUCKETS,
)
DELIVERY_LATENESS = Histogram(
    "reminders_delivery_lateness_seconds",
    "Real seconds to the notice in the list from its planned moment; a reminder: from hearing if later",
    ["kind"],
    buckets=LATENESS_BUCKETS,
)
NOTICES = Counter(
    "reminders_notices_total", "Notices, by what became of them: told or void", ["kind", "result"]
)
RAISED = Counter(
    "reminders_raised_total", "Escalations raised, by levels above the bearer and by line", ["level", "line"]
)
OPEN = Gauge(
    "reminders_open_escalations",
    "Missed duties that nobody has ended yet, by the level above the bearer that was told and by line",
    ["level", "line"],
)
OLDEST_OPEN = Gauge(
    "reminders_oldest_open_escalation_seconds",
    "Business time since the due moment of the oldest of them, 0 without any",
    ["level", "line"],
)
CALENDAR_LEFT = Gauge(
    "reminders_calendar_left_days", "Days after today whose holidays and make-up days are published"
)
SILENT = Gauge(
    "reminders_owner_silence_seconds",
    "Business time by which the oldest due duty waits for its owner",
    ["owner"],
)
FAILED = Counter(
    "reminders_wake_failures_total", "Watches that could not speak: unknown unit, policy or post"
)


def count_from_nought() -> None:
    """Show every level and line at once: no rate sees the first of what was not there before."""
    for level in range(LEVELS):
        for line in Line:
            RAISED.labels(level, line)
