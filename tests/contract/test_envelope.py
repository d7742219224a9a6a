"""The envelope: one shape for every fact, tolerant to read and strict to write."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from contracts.duties import DutyFulfilled
from contracts.envelope import Envelope, Moment, Said, encode, encode_said
from contracts.topics import FACTS

NOW = datetime(2026, 1, 20, 7, 45, 12, 318_001, UTC)
DONE = DutyFulfilled(duty="2025.main-responsibility.33@33", unit="33", fulfilled_at=NOW)
WRITTEN = encode(
    DONE, source="/zeren/reporting", sequence=2, time=NOW, correlation="story", cause="request:1"
)


def test_what_is_encoded_is_read_back_unchanged_to_the_microsecond() -> None:
    envelope = Envelope.parse(WRITTEN)
    assert FACTS[envelope.type].model_validate(envelope.data) == DONE
    assert envelope.time == NOW
    assert envelope.id == f"{DONE.subject}/2"
    assert (envelope.correlationid, envelope.causationid, envelope.unit) == ("story", "request:1", "33")


@given(*[st.text()] * 4, st.integers(0, 2**53), st.datetimes(timezones=st.timezones()))
def test_whatever_the_words_an_envelope_is_written_as_json_is_written(
    duty: str, source: str, correlation: str, cause: str, sequence: int, time: datetime
) -> None:
    fact = DutyFulfilled(duty=duty, unit=source, fulfilled_at=NOW)
    assert encode(
        fact, source=source, sequence=sequence, time=time, correlation=correlation, cause=cause
    ) == to_json(
        {
            "specversion": "1.0",
            "id": f"{fact.subject}/{sequence}",
            "source": source,
            "type": fact.type,
            "subject": fact.subject,
            "time": time.astimezone(UTC),
            "datacontenttype": "application/json",
            "dataschema": f"schemas/{fact.type}.json",
            "correlationid": correlation,
            "causationid": cause,
            "sequence": sequence,
            "unit": source,
            "data": fact,
        }
    )


def test_an_envelope_is_parsed_even_if_nobody_knows_its_type() -> None:
    envelope = Envelope.parse(
        to_json(from_json(WRITTEN) | {"type": "duties.duty-dreamt.v7", "data": {"x": 1}})
    )
    assert envelope.type not in FACTS
    assert envelope.data == {"x": 1}


@pytest.mark.parametrize("field", ["id", "source", "type", "subject", "time", "sequence", "data"])
def test_an_envelope_without_its_essentials_is_not_one(field: str) -> None:
    value = from_json(WRITTEN)
    del value[field]
    with pytest.raises(ValidationError, match=field):
        Envelope.parse(to_json(value))


@pytest.mark.parametrize("value", [b"", b"\xff\xfe", b"[]", b"null", b'{"id":'])
def test_what_is_not_an_envelope_is_refused(value: bytes) -> None:
    with pytest.raises(ValidationError):
        Envelope.parse(value)


def test_a_time_without_offset_is_refused() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        Envelope.parse(to_json(from_json(WRITTEN) | {"time": "2026-01-20T07:45:12"}))


def test_a_fact_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(DONE, "unit", "3303")  # noqa: B010  mypy knows already that it is frozen


def test_said_differs_by_partition_and_moment() -> None:
    said = Said(source="/zeren/reporting", books=(0,), of=1, through=NOW)
    one, other = (Envelope.parse(encode_said(said, topic="duties", partition=p, time=NOW)) for p in (3, 4))
    assert (one.subject, other.subject) == ("said:/zeren/reporting/3", "said:/zeren/reporting/4")
    assert one.id != other.id
    assert one.type == "duties.said.v1"


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59-08:00"])
def test_a_due_moment_that_utc_has_no_year_for_is_refused(moment: str) -> None:
    with pytest.raises(ValidationError, match="UTC"):
        TypeAdapter(Moment).validate_python(moment)


def test_due_moments_are_in_utc_and_share_one_time_zone_object() -> None:
    read = TypeAdapter(Moment).validate_python
    midnight = read("2026-02-01T00:00:00+08:00")
    assert midnight == datetime(2026, 1, 31, 16, tzinfo=UTC)
    assert midnight.tzinfo is read("2026-02-01T00:00:00Z").tzinfo is UTC
