"""Facts of the topic ``reports``: what was filed with whom."""

from pydantic import AwareDatetime, Field

from contracts.envelope import Fact


class ReportFact(Fact, topic="reports", prefix="report", key="report"):
    """A fact about one report (报告)."""

    report: str = Field(description="the report's id, which is also the story")
    unit: str = Field(description="the unit that reports")
    period: str = Field(description="what it reports on; filing in January 2026 counts for 2025 (mission R3)")


class ReportHalfFiled(ReportFact):
    """One recipient has the report, another has not (mission R1)."""

    recipient: str = Field(description="the unit that has the report")
    missing: tuple[str, ...] = Field(description="the recipients that still wait for it")
    filed_at: AwareDatetime = Field(description="when this recipient got it")


class ReportFiled(ReportFact):
    """Every recipient has the report."""

    recipients: tuple[str, ...] = Field(description="the units that have the report")
    filed_at: AwareDatetime = Field(description="when the last of them got it")
