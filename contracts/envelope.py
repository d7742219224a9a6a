"""The envelope around every fact: CloudEvents 1.0 in structured JSON, and the base of all facts."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring as quoted
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic_core import to_json

from contracts.personal import personal_fields

MAX_FACT_BYTES = 256 * 1024
"""No fact, envelope included, is larger than this."""


class Model(BaseModel):
    """A value of the published language: frozen, tolerant of fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:  # type: ignore[explicit-override]  # as below
        """Refuse a class that holds words of people and is no private fact: they could not be erased."""
        if personal_fields(cls) and getattr(cls, "topic", "") is not None:
            raise TypeError(f"{cls.__name__}: words of people stand in private facts only")


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies before the year 1 or behind 9999 in UTC") from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment in UTC. All share one time zone object, or to compare or hash two costs ten times more."""


class Fact(Model):
    """Something that happened; the class of the newest version bears no number.

    A base names the topic, the prefix of the stream and the field that holds the key;
    every class below it is a type of its own: ``<topic>.<kebab>.v<major>``.
    A fact without a topic is private to its service and is never published.
    """

    topic: ClassVar[str | None] = None
    prefix: ClassVar[str] = ""
    key: ClassVar[str] = ""
    type: ClassVar[str] = ""
    major: ClassVar[int] = 1

    def __init_subclass__(  # type: ignore[explicit-override]  # typing has no override before 3.12
        cls,
        *,
        topic: str | None = None,
        prefix: str | None = None,
        key: str | None = None,
        major: int = 1,
        **kwargs: Any,
    ) -> None:
        """Derive the type from the class's name, its topic and its major version."""
        super().__init_subclass__(**kwargs)
        if prefix is not None and key is not None:
            cls.topic, cls.prefix, cls.key = topic, prefix, key
        cls.major = major
        kebab = re.sub(r"(?<!^)(?=[A-Z])", "-", re.sub(r"V\d+$", "", cls.__name__)).lower()
        cls.type = f"{cls.topic or 'private'}.{kebab}.v{major}"

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Fact":
        """Return the fact that *data* tells of, in its newest version."""
        return cls.model_validate(data).lifted()

    def lifted(self) -> "Fact":
        """Return the same fact in its newest version; an old class says how."""
        return self

    def lowered(self) -> "Fact | None":
        """Return the same fact in the version before; None if that is not said, or not said any more."""
        return None

    @property
    def subject(self) -> str:
        """Return the stream that the fact belongs to, which is also its Kafka key."""
        return f"{self.prefix}:{getattr(self, self.key)}"


class Said(Model):
    """*Everything these books decided before ``through`` is out*; said on every partition of a topic.

    It alone lets others speak of what did not happen (architecture, "Said").
    Its type is ``<topic>.said.v1`` and its subject ``said:<source>/<partition>``; it has no Kafka key.
    """

    source: str = Field(description="who says it, as in the envelope's source")
    books: tuple[int, ...] = Field(description="the books it speaks for")
    of: int = Field(description="how many books the source has in all")
    through: AwareDatetime = Field(description="exclusive; a moment of business time")
    incarnation: str = Field(
        default="", description="the broker's data it was said on; on data made anew it says nothing"
    )
    heads: tuple[str, ...] = Field(
        default=(), description="on partition 0: <book>/<number>:<hash> of each newest page said"
    )


class Envelope(Model):
    """What every record's value holds; ``data`` is parsed second, by the type."""

    specversion: str = Field(default="1.0", description="the version of CloudEvents")
    id: str = Field(description="<subject>/<sequence>: with source the identity of the fact")
    source: str = Field(description="/zeren/<service>")
    type: str = Field(description="<topic>.<kebab>.v<major>")
    subject: str = Field(description="the stream; also the Kafka key")
    time: AwareDatetime = Field(description="when it was decided, in business time, UTC")
    datacontenttype: str = Field(default="application/json", description="always this")
    dataschema: str = Field(description="the JSON Schema of data, relative to contracts/")
    correlationid: str = Field(description="the story that the fact belongs to")
    causationid: str = Field(description="the fact or request that caused it")
    sequence: int = Field(ge=0, description="the version of its stream; 0 for said")
    unit: str = Field(description="the unit that the fact is about, empty if none")
    data: dict[str, Any] = Field(description="the fact itself, as dataschema says")

    @classmethod
    def parse(cls, value: bytes) -> Self:
        """Read an envelope; raise pydantic's ValidationError if it is not one."""
        return cls.model_validate_json(value)


def encode(fact: Fact, *, source: str, sequence: int, time: datetime, correlation: str, cause: str) -> bytes:
    """Return the bytes of a fact: the same ones go to the ledger, to Kafka and over HTTP."""
    before, behind = around_time(fact, source=source, sequence=sequence, correlation=correlation, cause=cause)
    return before + written(time) + behind


def around_time(
    fact: Fact, *, source: str, sequence: int, correlation: str, cause: str
) -> tuple[bytes, bytes]:
    """Return what stands before and behind the time in a fact's bytes: it may be known before the time is.

    Written from a template, as it is done once per decision: half of the time of a dictionary.
    """
    subject, (said_by, described) = quoted(fact.subject), _constants(fact.type, source)
    return (
        f'{{"specversion":"1.0","id":{subject[:-1]}/{sequence}",{said_by}{subject},"time":'.encode(),
        (
            f'{described}{quoted(correlation)},"causationid":{quoted(cause)},"sequence":{sequence}'
            f',"unit":{quoted(fact.__dict__.get("unit", ""))},"data":'
        ).encode()
        + fact.__pydantic_serializer__.to_json(fact)
        + b"}",
    )


@lru_cache(maxsize=256)
def _constants(type_: str, source: str) -> tuple[str, str]:
    """Return what stands before the subject, and between the time and the correlation."""
    schema = f',"datacontenttype":"application/json","dataschema":"schemas/{type_}.json","correlationid":'
    return f'"source":{quoted(source)},"type":"{type_}","subject":', schema


@lru_cache(maxsize=64)
def written(time: datetime) -> bytes:
    """Return a moment as an envelope holds it; all decisions of a page share a few."""
    return to_json(time.astimezone(UTC))


def older(value: bytes, fact_type: type[Fact]) -> Iterator[bytes]:
    """Yield the bytes of a fact in each older version that is still said, the newest of them first."""
    envelope = Envelope.parse(value)
    fact = fact_type.model_validate(envelope.data).lowered()
    while fact is not None:
        yield encode(
            fact,
            source=envelope.source,
            sequence=envelope.sequence,
            time=envelope.time,
            correlation=envelope.correlationid,
            cause=envelope.causationid,
        )
        fact = fact.lowered()


def said_type(topic: str) -> str:
    """Return the type under which Said travels on *topic*."""
    return f"{topic}.said.v1"


def encode_said(said: Said, *, topic: str, partition: int, time: datetime) -> bytes:
    """Return the bytes of a Said for one partition of *topic*."""
    subject = f"said:{said.source}/{partition}"
    return to_json(
        {
            "specversion": "1.0",
            "id": f"{subject}/{time.timestamp():.6f}",
            "source": said.source,
            "type": said_type(topic),
            "subject": subject,
            "time": time,
            "datacontenttype": "application/json",
            "dataschema": f"schemas/{said_type(topic)}.json",
            "correlationid": subject,
            "causationid": subject,
            "sequence": 0,
            "unit": "",
            "data": said,
        }
    )
