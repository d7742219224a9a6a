"""What people on duty watch: how far scores reach, and how many edges are flagged."""

from prometheus_client import Gauge, Histogram

AS_OF = Gauge(
    "scoring_as_of_timestamp_seconds",
    "Business time, in seconds since 1970, through which all owners of duties were heard",
)
FLAGS = Gauge("scoring_flags", "Edges of the tree that are flagged, after the last judgement", ["kind"])
JUDGEMENT = Histogram(
    "scoring_judgement_seconds",
    "Real seconds to judge all edges at the end of a month",
    buckets=(0.01, 0.1, 0.5, 1, 5, 15, 60, 300),
)
