"""The plan of an import of tenures: who holds which post from when.

A person who takes a post ends the tenure of the one before at that moment.
A post without a row is left alone.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from contracts.tree import Tree
from services.directory.domain import refusals
from services.directory.domain.importing import ImportPlan
from services.directory.domain.model import PERSON, EndTenure, StartTenure, Tenure
from services.directory.domain.rows import Lines, RowError, TenureRow, read_tenures

NO_PLAN = ImportPlan()


@dataclass(frozen=True, slots=True)
class TenurePlan:
    """What an import would do; one with errors holds no commands."""

    commands: tuple[StartTenure | EndTenure, ...] = ()
    """Those of one post stand in order; posts do not depend on each other."""
    unchanged: tuple[str, ...] = ()
    """The posts of rows that say nothing new."""
    errors: tuple[RowError, ...] = ()


@dataclass(frozen=True, slots=True)
class _Claim:
    line: int
    post: str
    person: str
    from_at: datetime


def import_tenures(lines: Lines, tree: Tree, units: ImportPlan = NO_PLAN) -> TenurePlan:
    """Return the plan of a file: post, person, from; *units* is what will be imported before it."""
    rows: list[TenureRow] = []
    errors: list[RowError] = []
    for item in read_tenures(lines):
        if isinstance(item, TenureRow):
            rows.append(item)
        else:
            errors.append(item)
    return TenurePlan(errors=tuple(errors)) if errors else plan_tenures(rows, tree, units)


def plan_tenures(rows: Sequence[TenureRow], tree: Tree, units: ImportPlan = NO_PLAN) -> TenurePlan:
    """Return what would make the posts be held as the rows say."""
    claims, errors = _claims(rows, _zones(rows, tree, units))
    commands: list[StartTenure | EndTenure] = []
    unchanged = []
    for post, claimed in sorted(claims.items()):
        held = tree.posts[post].tenures if post in tree.posts else []
        tenures = [Tenure(tenure.person, tenure.from_at, tenure.until_at) for tenure in held]
        for claim in sorted(claimed, key=lambda claim: claim.from_at):
            step = _step(claim, tenures)
            if isinstance(step, RowError):
                errors.append(step)
            elif step:
                commands += step
            else:
                unchanged.append(post)
    if errors:
        return TenurePlan(errors=tuple(sorted(errors, key=lambda error: error.line)))
    return TenurePlan(tuple(commands), tuple(unchanged))


def _zones(rows: Sequence[TenureRow], tree: Tree, units: ImportPlan) -> dict[str, str]:
    """Return the time zone of every post that rows name, the ones to come included; without the unknown."""
    coming = {unit.unit: unit.zone for unit in units.additions}
    zones = {post.post: coming.get(post.unit) or tree.units[post.unit].zone for post in units.posts}
    for code in {row.post for row in rows}:
        if code in tree.posts:
            zones[code] = tree.units[tree.posts[code].unit].zone
    return zones


def _claims(
    rows: Sequence[TenureRow], zones: Mapping[str, str]
) -> tuple[Mapping[str, list[_Claim]], list[RowError]]:
    claims: defaultdict[str, list[_Claim]] = defaultdict(list)
    errors: list[RowError] = []
    for row in rows:
        wrong = list(_wrong_fields(row, zones))
        if wrong:
            errors += wrong
            continue
        claim = _Claim(row.line, row.post, row.person, _moment(row.since, zones[row.post]))
        rivals = list(_rivals(claim, claims[row.post]))
        errors += rivals
        claims[row.post] += [] if rivals else [claim]
    return claims, errors


def _wrong_fields(row: TenureRow, zones: Mapping[str, str]) -> Iterator[RowError]:
    if not row.post:
        yield RowError(row.line, "post", "missing_post", "The post is missing.", "缺少职务代码。")
    elif row.post not in zones:
        yield RowError.of(row.line, "post", refusals.unknown_post(row.post))
    if not row.person:
        yield RowError(row.line, "person", "missing_person", "The person is missing.", "缺少人员标识。")
    elif PERSON.fullmatch(row.person) is None:
        yield RowError.of(row.line, "person", refusals.bad_person())
    try:
        _moment(row.since, zones.get(row.post, "UTC"))
    except (ValueError, OverflowError):
        yield RowError(
            row.line, "from", "bad_moment", "Not a date: write 2026-01-31.", "日期无效，请写作 2026-01-31。"
        )


def _moment(text: str, zone: str) -> datetime:
    """Return a moment; a bare date is its first moment in the zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(zone))
    return moment.astimezone(UTC)


def _rivals(claim: _Claim, others: Sequence[_Claim]) -> Iterator[RowError]:
    for other in others:
        if other.from_at == claim.from_at and other.person != claim.person:
            yield RowError(
                claim.line,
                "person",
                "two_holders",
                f"Line {other.line} gives the post to somebody else from the same moment.",
                f"第{other.line}行已将该职务自同一时间起交由他人。",
            )


def _step(claim: _Claim, tenures: list[Tenure]) -> list[StartTenure | EndTenure] | RowError:
    """Return what a claim adds to the tenures of its post, which it is added to; nothing if they say it."""
    if any(tenure.person == claim.person and _covers(tenure, claim.from_at) for tenure in tenures):
        return []
    last = tenures[-1] if tenures else None
    if last is not None and claim.from_at < (last.until_at or last.from_at):
        return RowError.of(claim.line, "from", refusals.overlap(claim.post))
    start = StartTenure(claim.post, claim.person, claim.from_at)
    tenures.append(Tenure(claim.person, claim.from_at))
    if last is None or last.until_at is not None:
        return [start]
    if claim.from_at == last.from_at:
        return RowError.of(claim.line, "from", refusals.overlap(claim.post))
    tenures[-2] = replace(last, until_at=claim.from_at)
    return [EndTenure(claim.post, last.person, claim.from_at), start]


def _covers(tenure: Tenure, moment: datetime) -> bool:
    return tenure.from_at <= moment and (tenure.until_at is None or moment < tenure.until_at)
