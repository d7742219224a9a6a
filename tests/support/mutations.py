"""Records as they should not be: facts that were bent, and bytes that never were facts."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from hypothesis import strategies as st

from contracts.topics import FACTS, PARTITIONS
from shared.ids import partition_of
from shared.state import Inbound
from tests.contract.catalogue import examples

Envelope = dict[str, Any]
MOMENTS = (
    "2026-01-31T16:00:00",
    "2026-13-45T25:61:61Z",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-12:00",
    "+12026-01-01T00:00:00Z",
    "1969-12-31T23:59:59Z",
    "2026-02-10T00:00:00Z",
    "now",
    253402300799,
    1e30,
)
NUMBERS = (0, 1, -1, 10, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63), 10**400, 0.5, 1e308, -0.0)
TEXTS = (
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "😀" * 300,
    "x" * 300_000,
    "../..",
    "$where",
    "a.b",
    "null",
    "\n",
    "\u202e",
)
OTHERS: tuple[Any, ...] = (None, True, [], {}, [[]], {"a": 1}, [None] * 50)
SEQUENCES = (0, -1, 1, 2, 2**31, 2**63 - 2, 2**63 - 1, 2**63, 2**64, 1.0, 1.5, "1", None, True)
SMALL = st.one_of(*map(st.sampled_from, (MOMENTS, NUMBERS, TEXTS, OTHERS)))
JUNK = st.one_of(
    SMALL, st.text(max_size=20), st.integers(), st.floats(), st.recursive(SMALL, st.lists, max_leaves=4)
)
DEEP = 5_000


@cache
def told_of(topic: str) -> tuple[str, ...]:
    """Return the examples of a topic, as JSON."""
    return tuple(
        json.dumps(one)
        for path, one in examples().items()
        if one["type"].startswith(f"{topic}.") and not path.startswith("said/")
    )


@st.composite
def records(draw: st.DrawFn, topic: str, *, tokens: tuple[str, ...] = ("",)) -> Inbound:
    """Return a record on a topic that is bent somewhere, perhaps so little that it can be read."""
    envelope: Envelope = json.loads(draw(st.sampled_from(told_of(topic))))
    for bend in draw(st.lists(st.sampled_from(BENDS), min_size=1, max_size=3)):
        bend(draw, envelope)
    key = _key(draw, envelope)
    partition = partition_of(key.decode(errors="replace"), PARTITIONS) if key else 0
    if draw(st.integers(0, 9)) == 0:
        partition = draw(st.integers(0, PARTITIONS - 1))
    value = draw(st.sampled_from(WRITERS))(draw, envelope)
    return Inbound(topic, partition, 0, key, value, draw(st.sampled_from(tokens)))


def _key(draw: st.DrawFn, envelope: Envelope) -> bytes | None:
    """Return mostly the key that the envelope names."""
    subject = str(envelope.get("subject", "")).encode(errors="surrogatepass")
    odd = (None, b"", b"\xff\xfe", b"\0", subject + b"\0", subject[:-1], b"duty:", b"duty", b"x" * 100_000)
    return draw(st.sampled_from((*[subject] * 20, *odd)))


# -- what may be done to an envelope ---------------------------------------------------------------


def _drop(draw: st.DrawFn, envelope: Envelope) -> None:
    part = _part(draw, envelope)
    if part:
        del part[draw(st.sampled_from(sorted(part)))]


def _replace(draw: st.DrawFn, envelope: Envelope) -> None:
    part = _part(draw, envelope)
    if part:
        part[draw(st.sampled_from(sorted(part)))] = draw(JUNK)


def _move_in_time(draw: st.DrawFn, envelope: Envelope) -> None:
    data = envelope.get("data")
    if not isinstance(data, dict):
        return
    names = sorted(name for name in data if name.endswith("_at"))
    if names:
        data[draw(st.sampled_from(names))] = draw(st.sampled_from(MOMENTS))


def _number(draw: st.DrawFn, envelope: Envelope) -> None:
    envelope["sequence"] = draw(st.sampled_from(SEQUENCES))


def _retype(draw: st.DrawFn, envelope: Envelope) -> None:
    was = str(envelope.get("type"))
    odd = ("", "private.dead-letter.v1", was.replace(".v1", ".v2"), was.upper(), f"{was}.v1", was[:-1])
    said = f"{was.partition('.')[0]}.said.v1"
    envelope["type"] = draw(st.sampled_from((*odd, said, *sorted(FACTS))))


def _rename(draw: st.DrawFn, envelope: Envelope) -> None:
    """Let it be about another thing, consistently: it can be read, and is absurd."""
    fact, data = FACTS.get(str(envelope.get("type"))), envelope.get("data")
    if fact is not None and isinstance(data, dict):
        name = draw(st.one_of(st.sampled_from(TEXTS), st.text(max_size=10)))
        data[fact.key] = name
        envelope["subject"] = f"{fact.prefix}:{name}"


def _add(draw: st.DrawFn, envelope: Envelope) -> None:
    part = _part(draw, envelope)
    part[draw(st.sampled_from(("new", "", "$set", "a.b", "\0", "__class__")))] = draw(JUNK)


def _part(draw: st.DrawFn, envelope: Envelope) -> dict[str, Any]:
    data = envelope.get("data")
    return data if isinstance(data, dict) and draw(st.booleans()) else envelope


BENDS: tuple[Callable[[st.DrawFn, Envelope], None], ...] = (
    *(_drop, _replace, _replace, _move_in_time, _move_in_time, _number, _retype, _rename, _add),
)


# -- how it may be written -------------------------------------------------------------------------


def _plainly(_: st.DrawFn, envelope: Envelope) -> bytes:
    return json.dumps(envelope).encode()


def _in_unicode(_: st.DrawFn, envelope: Envelope) -> bytes:
    return json.dumps(envelope, ensure_ascii=False).encode(errors="surrogatepass")


def _twice(draw: st.DrawFn, envelope: Envelope) -> bytes:
    """Write a field twice."""
    name = draw(st.sampled_from(sorted(envelope) or ["type"]))
    return _plainly(draw, envelope)[:-1] + f", {json.dumps(name)}: {json.dumps(draw(SMALL))}}}".encode()


def _broken(draw: st.DrawFn, envelope: Envelope) -> bytes:
    """Put bytes in the place of others."""
    value = _plainly(draw, envelope)
    at, upto = sorted((draw(st.integers(0, len(value))), draw(st.integers(0, len(value)))))
    return value[:at] + draw(st.binary(max_size=8)) + value[upto:]


def _deep(draw: st.DrawFn, envelope: Envelope) -> bytes:
    value = _plainly(draw, envelope)[:-1]
    opening, closing = draw(st.sampled_from(((b"[", b"]"), (b'{"a":', b"}"))))
    return value + b', "data": ' + opening * DEEP + b"1" + closing * DEEP + b"}"


def _garbage(draw: st.DrawFn, _: Envelope) -> bytes:
    odd = (b"", b"\0" * 9, b"null", b"[]", b"{}", b"\xff\xfe{\0}\0", b"\xef\xbb\xbf{}", b"NaN", b"1" * 5_000)
    return draw(st.one_of(st.sampled_from(odd), st.binary(max_size=50)))


WRITERS: tuple[Callable[[st.DrawFn, Envelope], bytes], ...] = (
    *[_plainly] * 10,
    *(_in_unicode, _twice, _twice, _broken, _broken, _deep, _garbage),
)
