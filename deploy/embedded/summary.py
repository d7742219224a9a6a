"""What a run came to: the counts, and whether the invariants hold."""

from collections.abc import Mapping

import rich.box
from rich.console import Console
from rich.table import Table

from deploy.embedded.findings import Findings
from deploy.embedded.texts import Texts

SHOWN = 20


def print_summary(
    console: Console, say: Texts, findings: Findings, *, seconds: float, restarts: Mapping[str, int]
) -> None:
    """Print the counts of a run and everything that is wrong."""
    table = Table(box=rich.box.SIMPLE, show_header=False)
    for key, value in _rows(findings, seconds, restarts):
        table.add_row(say(key), str(value))
    console.print(table)
    for problem in findings.wrong[:SHOWN]:
        console.print(f"[red]✗[/red] {problem}", highlight=False)
    if findings.wrong:
        console.print(say("broken", n=len(findings.wrong)))
    else:
        console.print(say("holds"))


def _rows(findings: Findings, seconds: float, restarts: Mapping[str, int]) -> list[tuple[str, object]]:
    counts = findings.counts
    levels = ", ".join(f"{level}: {count}" for level, count in sorted(findings.levels.items()))
    return [
        ("units", findings.units),
        ("opened", counts["DutyOpened"]),
        ("fulfilled", counts["DutyFulfilled"]),
        ("waived", counts["DutyWaived"]),
        ("reports_filed", counts["ReportFiled"]),
        ("half_filed", counts["half-filed"]),
        ("reminders", counts["ReminderFired"]),
        ("missed", counts["DutyMissed"]),
        ("withdrawn", counts["DutyMissWithdrawn"]),
        ("escalations", counts["EscalationRaised"]),
        ("per_level", levels),
        ("acknowledged", counts["EscalationAcknowledged"]),
        ("vacant", counts["PostFoundVacant"]),
        ("resolved", counts["EscalationResolved"]),
        ("exhausted", counts["EscalationExhausted"]),
        ("proposals", counts["InspectionProposed"]),
        ("opened_inspections", counts["InspectionOpened"]),
        ("findings", counts["FindingRaised"]),
        ("verified_findings", counts["RectificationVerified"]),
        ("flags", counts["HeatFlagged"]),
        ("scored", findings.scored),
        ("decided_late", f"{findings.percentile(0.5):.3f} s / {findings.percentile(0.99):.3f} s"),
        ("pages", findings.pages),
        ("states", findings.states),
        ("facts", findings.facts),
        ("service_restarts", sum(restarts.values())),
        ("seconds", f"{seconds:.0f}"),
    ]
