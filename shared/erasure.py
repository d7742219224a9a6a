"""What is taken out of an entry when the words of people in it are erased, and what stays."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pydantic_core import from_json, to_json

from contracts.envelope import Fact
from contracts.personal import ERASED, is_identifier, personal_fields
from shared.ledger import Entry, Event, Page, Place, erasures, left_of
from shared.state import DeadLetter, ErasedEntry

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|input_value=.*|\n.*", re.DOTALL)


class Found(NamedTuple):
    """What a stream holds that can be erased."""

    pages: tuple[Page, ...]
    """Each as it will be."""
    unsaid: tuple[ErasedEntry, ...]
    """The entries of which no fact says yet that they are erased."""
    entries: int
    letters: int
    """How many of the events are dead letters."""


def find(
    pages: Iterable[Page], stream: str, facts: Mapping[str, type[Fact]], first: int, last: int | None
) -> Found:
    """Return what there is to erase in the entries of a stream, from page *first* to *last*."""
    changed: list[Page] = []
    wanted: dict[Place, ErasedEntry] = {}
    named: dict[Place, str] = {}
    letters = 0
    for page in pages:
        for entry in (entry for entry in page.entries if entry.stream == stream):
            named |= erasures(entry)
        if page.number < first or (last is not None and page.number > last):
            continue
        entries = [erased(entry, facts) if entry.stream == stream else entry for entry in page.entries]
        for before, after in zip(page.entries, entries, strict=True):
            if before != after:
                what = ErasedEntry(page=page.number, version=after.version, left=left_of(after))
                wanted[page.number, stream, after.version] = what
                letters += sum(event.type == DeadLetter.type for event in after.events)
        if tuple(entries) != page.entries:
            changed.append(page._replace(entries=tuple(entries)))
    unsaid = tuple(what for place, what in wanted.items() if named.get(place) != what.left)
    return Found(tuple(changed), unsaid, len(wanted), letters)


def erased(entry: Entry, facts: Mapping[str, type[Fact]]) -> Entry:
    """Return an entry without what people wrote, and without its salt; the same if nothing is in it.

    The salt must go: with it, the digest would tell whether a guess at the words is right.
    """
    events = tuple(_without_words(event, entry.stream, facts) for event in entry.events)
    return entry if events == entry.events else entry._replace(events=events, salt=b"")


def _without_words(event: Event, stream: str, facts: Mapping[str, type[Fact]]) -> Event:
    if event.reason is not None:
        key = event.key if is_identifier(event.key) else stream
        return event._replace(key=key, value=b"", reason=without_quotes(event.reason))
    if event.topic is not None:
        return event
    if event.type == DeadLetter.type:
        reason = from_json(event.value)["data"]["reason"]
        return _with(event, key_text=None, value_base64="", reason=without_quotes(reason))
    if event.type not in facts:
        return event
    return _with(event, **dict.fromkeys(personal_fields(facts[event.type]), ERASED))


def _with(event: Event, **changes: str | None) -> Event:
    """Return an event whose fact has other values; an empty text stays empty: it says nothing of anybody."""
    envelope = from_json(event.value)
    data = envelope["data"]
    new = data | {name: value for name, value in changes.items() if data.get(name)}
    return event if new == data else event._replace(value=to_json(envelope | {"data": new}))


def without_quotes(reason: str) -> str:
    """Return a reason without what it quotes; ours quote nothing, those of earlier versions did."""
    return _QUOTED.sub("…", reason)
