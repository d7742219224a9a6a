"""What people on duty watch: what becomes of proposals and findings."""

from prometheus_client import Counter

FACTS = Counter(
    "inspection_facts_total", "Facts said about proposals, inspections and findings, by type", ["type"]
)
