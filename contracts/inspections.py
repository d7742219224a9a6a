"""Facts of the topic ``inspections``: what was proposed, opened and found, and what became of each finding.

Reasons and findings in words stay in the service: these facts carry identifiers only.
"""

from pydantic import AwareDatetime, Field

from contracts.duties import Line
from contracts.envelope import Fact, Model


class Evidence(Model):
    """A missed duty that speaks for an inspection."""

    fact: str = Field(description="the identity of the DutyMissed, <subject>/<sequence>")
    duty: str = Field(description="the missed duty")
    kind: str = Field(description="its kind, as it was opened")
    occurrence: str = Field(description="what it is part of; two recipients of one report count once")
    period: str = Field(description="what it is about, not when it is done")
    due_at: AwareDatetime = Field(description="the last moment that was still in time")


class InspectionFact(Fact, topic="inspections", prefix="inspection", key="inspection"):
    """A fact about one inspection (监督检查)."""

    inspection: str = Field(description="the inspection's id")
    unit: str = Field(description="the unit that is inspected")


class InspectionProposed(InspectionFact):
    """A rule proposes a special inspection; a person decides (专项巡察建议, mission I4)."""

    kind: str = Field(description="open list: special …")
    rule: str = Field(description="the rule that proposes it, <name>/<version>")
    evidence: tuple[Evidence, ...] = Field(description="the facts that caused it")


class ProposalExtended(InspectionFact):
    """Further misses joined a proposal on which nobody has decided yet: duplicates merge."""

    evidence: tuple[Evidence, ...] = Field(description="what joined")


class ProposalWithdrawn(InspectionFact):
    """Misses were withdrawn, and what is left does not carry the proposal."""

    withdrawn: tuple[str, ...] = Field(description="the duties that had been fulfilled in time after all")


class InspectionOpened(InspectionFact):
    """A person confirmed the proposal."""

    kind: str = Field(description="open list: special …")
    inspector: str = Field(description="the unit that inspects")
    person: str = Field(description="who confirmed; an identifier")


class InspectionDismissed(InspectionFact):
    """A person dismissed the proposal; the reason is kept in the service."""

    person: str = Field(description="who dismissed it; an identifier")


class InspectionClosed(InspectionFact):
    """Every finding has come to its end and the inspection is over."""

    person: str = Field(description="who closed it; an identifier")


class FindingFact(Fact, topic="inspections", prefix="finding", key="finding"):
    """A fact about one finding (发现问题)."""

    finding: str = Field(description="the finding's id")
    inspection: str = Field(description="the inspection that found it")
    unit: str = Field(description="the unit that is to put it right")


class FindingRaised(FindingFact):
    """A problem was found; its rectification is a duty (整改)."""

    line: Line = Field(description="the responsibility that it belongs to")
    person: str = Field(description="who raised it; an identifier")


class RectificationSubmitted(FindingFact):
    """The unit says that it has put the problem right; a person will verify it."""

    duty: str = Field(description="the rectification duty that this fulfils")
    submitted_at: AwareDatetime = Field(description="when the unit said so")


class RectificationReturned(FindingFact):
    """It was not put right; a new duty goes on."""

    duty: str = Field(description="the rectification duty that was not accepted")
    person: str = Field(description="who returned it; an identifier")


class RectificationVerified(FindingFact):
    """A person has seen that the problem is put right: the end of the finding."""

    duty: str = Field(description="the rectification duty that was accepted")
    person: str = Field(description="who verified it; an identifier")


class FindingDismissed(FindingFact):
    """A person dismissed the finding; the reason is kept in the service."""

    person: str = Field(description="who dismissed it; an identifier")
