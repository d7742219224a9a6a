"""What people wrote is erased: pages, states and dead letters lose it, and everything else stands."""

import re
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.envelope import Envelope
from contracts.personal import ERASED
from services.inspection.app import SHAPE
from shared import deadletter
from shared.commands import rebuild_states, verify_books
from shared.erasing import UnknownStreamError, book_of
from shared.erasure import without_quotes
from shared.ledger import Page, is_erased, verify
from shared.state import TextErased
from shared.store import NotAnErasureError
from shared.testing.memory import MemoryStore, no_pause
from tests.support.kit import pages
from tests.support.running import Running
from tests.support.words import FIRST, MARK, SECOND, WISH, a_miss, does, erase, garbage, parked, written


def everything(running: Running) -> str:
    """Return all that the database holds, as text."""
    database = running.database
    return str([database.pages, database.states, dict(database.collections)]) + "".join(
        state["body"].decode() for state in database.states.values()
    )


def words_in(running: Running) -> bool:
    raw = everything(running)
    kept = b64encode(garbage("any", 0).value).decode()
    return any(one in raw for one in (MARK, str(MARK.encode())[2:-1], kept))


def standing(state: Any) -> list[Any]:
    """Return what must not change: the stages of everything, without a word."""
    findings = [f for one in state.inspections for f in one.findings]
    return [
        *((one.inspection, one.status, one.inspector, one.evidence) for one in state.inspections),
        *((f.finding, f.stage, f.round, f.due_at, f.rectification, f.verification) for f in findings),
    ]


async def faults(running: Running) -> tuple[list[Any], list[str]]:
    """Return what verify and rebuild find."""
    store: Any = running.service.store
    _, wrong = await verify_books(store, 1, {})
    _, different = await rebuild_states(store, 1, SHAPE, write=False)
    return wrong, different


@pytest.fixture
async def running(tmp_path: Path) -> Running:
    return await written(tmp_path)


async def test_before_it_is_erased_every_word_is_there(running: Running) -> None:
    assert words_in(running)
    assert await faults(running) == ([], [])


async def test_what_people_wrote_of_a_unit_is_gone_from_pages_and_states_and_the_chain_is_whole(
    running: Running,
) -> None:
    store: Any = running.service.store
    before = await running.service.books[0].peek("village")
    chain = [(page.number, page.hash, [e.digest for e in page.entries]) for page in await pages(store)]

    found = await erase(running)

    assert (found.entries, found.letters) == (8, 0)
    unreadable = [stream for stream in running.database.states if stream.startswith("unreadable:")]
    for stream in unreadable:
        await erase(running, replace(WISH, stream=stream))
    assert not words_in(running)
    assert await faults(running) == ([], [])
    after = [(page.number, page.hash, [e.digest for e in page.entries]) for page in await pages(store)]
    assert after[: len(chain)] == chain
    state = SHAPE.from_document(running.database.states["village"]).body
    assert standing(state) == standing(before)
    first, second = state.inspections
    assert [first.reason, *((f.text, f.submitted, f.reason) for f in second.findings)] == [
        ERASED,
        (ERASED, ERASED, ERASED),
        (ERASED, "", ERASED),
    ]


async def test_who_erased_what_and_why_stands_in_the_ledger_in_identifiers(running: Running) -> None:
    found = await erase(running)

    store: Any = running.service.store
    events = [event for page in await pages(store) for e in page.entries for event in e.events]
    (fact,) = [
        SHAPE.read(event.type, Envelope.parse(event.value))
        for event in events
        if event.type == TextErased.type
    ]
    assert isinstance(fact, TextErased)
    assert (fact.by, fact.ground, fact.order) == ("clerk-7", "request", "R-2026/17")
    assert fact.entries == found.unsaid
    assert {one.page for one in fact.entries} == {
        page.number for page in await pages(store) if any(map(is_erased, page.entries))
    }


async def test_the_service_starts_again_goes_on_and_says_the_same_facts_on_a_broker_that_lost_them(
    running: Running,
) -> None:
    said = sorted(str(envelope) for envelope, _ in running.envelopes())
    await erase(running)

    running.broker.lose_everything()
    again = await running.again()
    await again.says()

    assert sorted(str(envelope) for envelope, _ in again.envelopes()) == said
    await again.hears(*map(a_miss, range(6, 9)))
    await does(again, "inspections/village.special.3/dismissal", reason="new words")
    answer = await again.get("/v1/units/village/inspections", "inspector", unit="town")
    items = {item["inspection"]: item for item in answer.json()["items"]}
    assert [items[one]["reason"] for one in (FIRST, "village.special.3")] == [ERASED, "new words"]
    assert (items[FIRST]["status"], items[SECOND]["findings"][1]["status"]) == ("dismissed", "dismissed")
    for book in again.service.opened():
        await book.close()
    assert await faults(again) == ([], [])


async def test_a_finding_can_be_raised_in_the_words_that_stand_for_erased_ones(running: Running) -> None:
    await does(running, f"inspections/{SECOND}/findings", line="main", text="third")
    await erase(running)
    again = await running.again()

    raised = await does(again, f"inspections/{SECOND}/findings", line="main", text=ERASED)

    assert (raised["result"], raised["finding"]) == ("nothing", f"{SECOND}.1")


async def test_dead_letters_lose_the_record_and_keep_the_reason_and_are_discarded_like_any(
    running: Running,
) -> None:
    reason = await parked(running)
    found = await erase(running)

    assert found.letters == 1
    again = await running.again()
    book = again.service.books[0]
    (letter,) = await book.parked("village")
    assert (letter.value_base64, letter.key_text, letter.reason) == ("", None, reason)
    applied, last = await deadletter.replay(book, again.service.intake, "village", cause="operator")
    assert (applied, last.result) == (0, "failed")
    assert (await deadletter.discard(book, "village", cause="operator")).result == "applied"
    await book.close()
    assert await faults(again) == ([], [])


async def test_only_the_pages_asked_for_are_erased(running: Running) -> None:
    store: Any = running.service.store
    with_words = [p.number for p in await pages(store) if MARK.encode() in b"".join(_values(p, "village"))]
    wish = replace(WISH, first=with_words[1], last=with_words[2])

    found = await erase(running, wish)

    assert [page.number for page in found.pages] == with_words[1:3]
    left = [p.number for p in await pages(store) if MARK.encode() in b"".join(_values(p, "village"))]
    assert left == [with_words[0], *with_words[3:]]
    assert await faults(running) == ([], [])


def _values(page: Page, stream: str) -> list[bytes]:
    return [event.value for entry in page.entries if entry.stream == stream for event in entry.events]


async def test_erasing_again_erases_nothing_and_says_nothing(running: Running) -> None:
    await erase(running)
    store: Any = running.service.store
    before = sum(len(page.entries) for page in await pages(store))

    again = await erase(running)

    assert (again.entries, again.unsaid) == (0, ())
    assert sum(len(page.entries) for page in await pages(store)) == before


class PowerCutError(Exception):
    """The command is gone."""


@pytest.mark.parametrize("where", ["page_inserted", "erase_page", "page_erased", "mend_states"])
async def test_a_command_that_was_killed_is_done_by_the_same_command_again(
    tmp_path: Path, running: Running, where: str
) -> None:
    """Verify says until then that it was not finished, unless nothing was begun."""

    async def cut(effect: str) -> None:
        if effect == where and any(TextErased.type in str(page) for page in running.database.pages.values()):
            raise PowerCutError

    store: Any = running.service.store
    store._pause = cut
    with pytest.raises(PowerCutError):
        await erase(running)

    store._pause = no_pause
    wrong, different = await faults(running)
    assert wrong or different

    again = await running.again()
    await erase(again)

    assert await faults(again) == ([], [])
    state = running.database.states["village"]["body"].decode()
    assert MARK not in state
    said = [e for page in await pages(store) for e in page.entries if TextErased.type in str(e.events)]
    assert len(said) == 1


async def test_an_unknown_stream_is_told(running: Running) -> None:
    store: Any = running.service.store
    assert await book_of(store, 1, "village") == 0
    del running.database.states["village"]
    assert await book_of(store, 1, "village") == 0
    with pytest.raises(UnknownStreamError):
        await book_of(store, 1, "nowhere")


class TestAForger:
    """Somebody who may write the database, after an erasure."""

    async def erased(self, running: Running) -> list[Page]:
        await erase(running)
        store: Any = running.service.store
        return list(await pages(store))

    def problems(self, running: Running, pages: list[Page]) -> set[str]:
        return {re.sub(r"^entry \S+ v\d+ ", "", fault.problem) for fault in verify(0, pages, {})}

    async def test_cannot_erase_one_more_entry(self, running: Running) -> None:
        found = await self.erased(running)
        n, page = next((n, p) for n, p in enumerate(found) if p.entries and not is_erased(p.entries[0]))
        gone = page.entries[0]._replace(salt=b"")
        found[n] = page._replace(entries=(gone, *page.entries[1:]))

        assert self.problems(running, found) == {"was erased, and no fact says so"}

    async def test_cannot_change_what_was_left_of_an_erased_entry(self, running: Running) -> None:
        found = await self.erased(running)
        n, page = next((n, p) for n, p in enumerate(found) if any(map(is_erased, p.entries)))
        changed = page.entries[0]._replace(cause="somebody else")
        found[n] = page._replace(entries=(changed, *page.entries[1:]))

        assert self.problems(running, found) == {"was changed after it was erased"}

    async def test_cannot_take_the_fact_of_the_erasure_away(self, running: Running) -> None:
        found = await self.erased(running)
        fact = next(n for n, p in enumerate(found) if TextErased.type in str(p.entries))
        gone = found[fact].entries[0]._replace(salt=b"", events=())
        found[fact] = found[fact]._replace(entries=(gone,))

        assert self.problems(running, found) == {"was erased, and no fact says so"}


@pytest.mark.parametrize("change", ["hash", "digest", "published", "dropped", "kept_salt"])
async def test_the_store_lets_a_page_lose_words_and_nothing_else(running: Running, change: str) -> None:
    store = MemoryStore(running.database)
    page = next(p for p in await pages(store) if p.entries and any(e.topic for e in p.entries[0].events))
    entry = page.entries[0]
    n = next(n for n, event in enumerate(entry.events) if event.topic is not None)
    public = entry.events[n]._replace(value=b"{}")
    other = {
        "hash": page._replace(hash=b"x"),
        "digest": page._replace(entries=(entry._replace(salt=b"", digest=b"x"), *page.entries[1:])),
        "published": page._replace(
            entries=(
                entry._replace(salt=b"", events=(*entry.events[:n], public, *entry.events[n + 1 :])),
                *page.entries[1:],
            )
        ),
        "dropped": page._replace(entries=page.entries[1:]),
        "kept_salt": page._replace(entries=(entry._replace(cause="x"), *page.entries[1:])),
    }[change]

    with pytest.raises(NotAnErasureError):
        await store.erase_page(other)


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("larger than 7 bytes", "larger than 7 bytes"),
        ("KeyError: '王小明'", "KeyError: …"),
        ('LookupError: "王小明"', "LookupError: …"),
        ("1 error for X\n text [input_value=王小明, input_type=str]", "1 error for X…"),
        ("x: [type=int, input_value=王小明]", "x: [type=int, …"),
    ],
)
def test_a_reason_of_an_earlier_version_loses_what_it_quoted(reason: str, kept: str) -> None:
    assert without_quotes(reason) == kept
