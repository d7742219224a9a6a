"""The chain of hashes: what was changed, cut or made up is found."""

from typing import Any

import pytest

from shared.ledger import Page, digest, from_document, to_document, verify
from shared.testing.memory import MemoryStore
from tests.support.kit import a_book, a_request, as_version_0_1, pages


@pytest.fixture
async def three_pages() -> list[Page]:
    store = MemoryStore()
    book = await a_book(store)
    for n in range(2):
        await book.handle([a_request(cause=f"ask-{n}"), a_request(name="y", cause=f"also-{n}")])
    return list(await pages(store))


def problems(pages: list[Page], heads: dict[int, bytes] | None = None) -> list[tuple[str, str]]:
    return [(fault.page, fault.problem) for fault in verify(0, pages, heads or {})]


async def test_an_untouched_book_has_no_fault(three_pages: list[Page]) -> None:
    assert not problems(three_pages, {page.number: page.hash for page in three_pages})


async def test_a_page_comes_out_of_the_database_as_it_went_in(three_pages: list[Page]) -> None:
    assert [from_document(to_document(page)) for page in three_pages] == three_pages


async def test_a_page_that_names_its_fields_is_read_as_before(three_pages: list[Page]) -> None:
    entry = three_pages[1].entries[0]
    heard = entry._replace(source=("duty:x", 7), events=(entry.events[0]._replace(reason="garbage"),))
    old = [*three_pages, three_pages[1]._replace(entries=(heard, entry))]

    assert [from_document(as_version_0_1(page)) for page in old] == old


async def test_an_altered_row_in_the_middle_is_found_lesson_15(three_pages: list[Page]) -> None:
    entry = three_pages[1].entries[0]
    event = entry.events[0]._replace(value=entry.events[0].value.replace(b'"count":1', b'"count":9'))
    page = three_pages[1]._replace(entries=(entry._replace(events=(event,)), *three_pages[1].entries[1:]))

    assert problems([three_pages[0], page, three_pages[2]]) == [("0/2", "entry b:x v1 was changed")]


@pytest.mark.parametrize(
    "change",
    [
        {"stream": "b:z"},
        {"version": 7},
        {"cause": "somebody else"},
        {"correlation": "another story"},
        {"source": ("/a#a:x", 7)},
        {"events": ()},
        {"salt": b""},
    ],
)
async def test_no_part_of_an_entry_can_be_changed_unnoticed(three_pages: list[Page], change: Any) -> None:
    entries = three_pages[1].entries
    page = three_pages[1]._replace(entries=(entries[0]._replace(**change), *entries[1:]))

    assert problems([three_pages[0], page, three_pages[2]])


async def test_an_entry_sealed_anew_is_found_by_the_hash_of_its_page(three_pages: list[Page]) -> None:
    entry = three_pages[1].entries[0]._replace(cause="somebody else")
    sealed = entry._replace(digest=digest(entry.salt, *entry[:6]))
    page = three_pages[1]._replace(entries=(sealed, *three_pages[1].entries[1:]))

    assert problems([three_pages[0], page, three_pages[2]]) == [("0/2", "was changed")]


@pytest.mark.parametrize("change", [{"actor": "somebody else"}, {"at": 1}, {"prev_hash": b"x" * 32}])
async def test_no_part_of_a_page_can_be_changed_unnoticed(three_pages: list[Page], change: Any) -> None:
    assert problems([three_pages[0], three_pages[1]._replace(**change), three_pages[2]])


async def test_bytes_cannot_be_moved_from_one_event_to_the_next(three_pages: list[Page]) -> None:
    entry = three_pages[1].entries[0]
    (event,) = entry.events
    half = len(event.value) // 2
    pieces = (event._replace(value=event.value[:half]), event._replace(value=event.value[half:]))
    page = three_pages[1]._replace(entries=(entry._replace(events=pieces), *three_pages[1].entries[1:]))

    assert problems([three_pages[0], page, three_pages[2]])


async def test_an_entry_cannot_be_erased_without_a_fact_that_says_so(three_pages: list[Page]) -> None:
    entry = three_pages[1].entries[0]
    erased = entry._replace(salt=b"", events=tuple(event._replace(value=b"") for event in entry.events))
    page = three_pages[1]._replace(entries=(erased, *three_pages[1].entries[1:]))

    found = problems([three_pages[0], page, three_pages[2]])
    assert found == [("0/2", "entry b:x v1 was erased, and no fact says so")]


async def test_a_missing_page_in_the_middle_is_found_lesson_15(three_pages: list[Page]) -> None:
    assert ("0/2", "is missing") in problems([three_pages[0], three_pages[2]])


async def test_a_cut_tail_is_found_when_its_head_was_published_lesson_15(three_pages: list[Page]) -> None:
    heads = {3: three_pages[2].hash}

    assert not problems(three_pages[:2])
    assert problems(three_pages[:2], heads) == [("0/3", "is cut off: page 3 was published")]


async def test_a_whole_book_written_anew_is_found_by_a_published_head(three_pages: list[Page]) -> None:
    store = MemoryStore()
    book = await a_book(store, actor="a forger")
    await book.handle([a_request(cause="forged")])
    forged = list(await pages(store))

    assert not problems(forged)
    assert ("0/2", "is not the page whose hash was published") in problems(forged, {2: three_pages[1].hash})
