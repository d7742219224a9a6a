"""Facts of the topic ``directory``: which units there are, which posts, and who holds them when."""

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, Field

from contracts.envelope import Fact, Model


def _zone(name: str) -> str:
    """Return the name of a time zone that there is."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}") from error
    return name


class UnitFact(Fact, topic="directory", prefix="unit", key="unit"):
    """A fact about one unit (单位)."""

    unit: str = Field(description="stable external code of the unit")


class PostFact(Fact, topic="directory", prefix="post", key="post"):
    """A fact about one post (职务) and who holds it."""

    post: str = Field(description="stable code of the post")
    unit: str = Field(description="the unit that the post belongs to")


class PostPlan(Model):
    """A post that comes with its unit; its code is ``<unit>/<role>``."""

    role: str = Field(description="open list: head, leader_in_charge, discipline_head, handler …")
    rank_class: str = Field(description="open list: principal, team_member, middle_cadre, ordinary_cadre")
    portfolio: tuple[str, ...] = Field(
        default=(), description="what a leader in charge is in charge of (分管范围)"
    )


class UnitPlaced(UnitFact):
    """A unit was placed in the tree (设立)."""

    name: str = Field(description="the unit's own name")
    kind: str = Field(description="open list: party_committee, discipline_committee, department …")
    parent: str | None = Field(description="the superior unit on its own line; none at the root")
    same_level: str | None = Field(
        default=None, description="a discipline committee's Party committee of the same level (同级党委)"
    )
    level: str = Field(default="", description="open list: province, city, county, town, village …")
    zone: Annotated[str, AfterValidator(_zone)] = Field(
        default="Asia/Shanghai", description="IANA time zone of its working days"
    )
    posts: tuple[PostPlan, ...] = Field(default=(), description="the posts that come with it, no role twice")


class UnitRenamed(UnitFact):
    """A unit bears another name (更名)."""

    name: str = Field(description="the name that it bears from now on")


class UnitMoved(UnitFact):
    """A unit stands under another superior (隶属关系调整)."""

    parent: str | None = Field(description="the new superior unit on its own line; none at the root")


class UnitClosed(UnitFact):
    """A unit exists no more (撤销)."""


class PostDefined(PostFact):
    """A post exists in a unit, or is defined anew (设岗); it goes before what came with the unit."""

    role: str = Field(description="open list: head, leader_in_charge, discipline_head, handler …")
    rank_class: str = Field(description="open list: principal, team_member, middle_cadre, ordinary_cadre")
    portfolio: tuple[str, ...] = Field(
        default=(), description="what a leader in charge is in charge of (分管范围)"
    )


class TenureStarted(PostFact):
    """A person holds a post from a moment on (任职); the person is an identifier, never a name."""

    person: str = Field(description="who holds the post; an identifier")
    from_at: AwareDatetime = Field(description="the first moment of the tenure, inclusive")


class TenureEnded(PostFact):
    """A person holds a post no more (免职)."""

    person: str = Field(description="who held the post; an identifier")
    until_at: AwareDatetime = Field(description="the end of the tenure, exclusive")
