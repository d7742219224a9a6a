"""A database restored from an older backup: not ready until what was said is taken back from the topics."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.directory import UnitPlaced
from contracts.duties import DutyFulfilled, DutyOpened
from contracts.reports import ReportFiled, ReportHalfFiled
from services.directory.app import build as build_directory
from services.reporting.app import build
from services.reporting.entrypoints.timer import affinity
from shared.adopt import AdoptError
from shared.heads import Adoption, Head, read_heads, standing
from shared.ledger import Page, seal, verify
from shared.restore import told
from tests.component.test_directory import TOWNSHIP, VILLAGE, a_file, imports
from tests.component.test_foreign_duties import DUTY, Foreigner, wish
from tests.support.backup import adopt, backup, problems, stop, values
from tests.support.reminders import a_village
from tests.support.running import Running

NEW_YEAR, JANUARY = datetime(2025, 12, 31, 16, tzinfo=UTC), datetime(2026, 1, 20, tzinfo=UTC)
REPORT = "2025.main-responsibility.village"
AT_TOWN, AT_DISCIPLINE = f"{REPORT}@town", f"{REPORT}@town-dc"
OTHER = "2025.main-responsibility.town"
BOOK = affinity(REPORT)


async def reporting(folder: Path, **options: Any) -> Running:
    """Return reporting in the middle of January, with every report open and said."""
    running = await Running("reporting", build, folder, NEW_YEAR, **options).start()
    await running.hears(*a_village().facts)
    wish = {"root": "county", "first_year": 2026}
    assert (await running.post("/v1/schedules/yearly", "operator", unit="county", json=wish)).is_success
    await running.until(JANUARY)
    return running


async def file(running: Running, *recipients: str, report: str = REPORT) -> Any:
    body = {"recipients": recipients} if recipients else {}
    answer = await running.post(f"/v1/reports/{report}/filings", "filer", unit="county", json=body)
    await running.says()
    return answer


async def behind(folder: Path, *recipients: str, **options: Any) -> Running:
    """Return reporting that was restored to before the report was filed, with *recipients* or all."""
    running = await reporting(folder, **options)
    kept = await backup(running)
    assert (await file(running, *recipients)).is_success
    await stop(running)
    return await kept.restore(running)


def pages_in(running: Running, book: int = BOOK) -> set[str]:
    return {name for name in running.database.pages if name.startswith(f"{book}/")}


class TestABookBehindWhatWasPublished:
    @pytest.mark.parametrize("known_by", ["topics", "file"])
    async def test_is_not_ready_and_nothing_is_written_to_it(self, tmp_path: Path, known_by: str) -> None:
        restored = await behind(tmp_path, heads=tmp_path / "heads" if known_by == "file" else None)
        if known_by == "file":
            restored.broker.lose_everything()
            restored = await restored.again()
        before = pages_in(restored)

        reason = restored.service._unready() or ""
        assert "adopt" in reason
        assert "数据库落后于已发布的内容" in reason
        assert (await file(restored)).status_code == 503
        assert BOOK not in restored.service.books
        assert pages_in(restored) == before

    async def test_is_found_as_well_if_other_pages_have_been_written_since(self, tmp_path: Path) -> None:
        restored = await behind(tmp_path)
        first = restored.service.make_book(BOOK)
        for _ in range(3):
            await first.open()

        again = await restored.again()

        assert BOOK in again.service.shelf.behind

    async def test_a_book_that_holds_what_was_published_is_taken_over(self, tmp_path: Path) -> None:
        running = await reporting(tmp_path, heads=tmp_path / "heads")
        await stop(running)

        again = await running.again()

        assert again.service.shelf.behind == {}
        assert (await file(again)).is_success


class TestAdopt:
    async def test_the_lost_facts_come_back_as_they_were_said_and_sequences_go_on(
        self, tmp_path: Path
    ) -> None:
        restored = await behind(tmp_path, "town", heads=tmp_path / "heads")
        said = values(restored)

        (result,) = [one for one in await adopt(restored) if one.book == BOOK]
        assert (result.facts, result.missing) == (2, {})
        again = await restored.again()
        assert again.service.shelf.behind == {}
        assert [one.duty for one in again.said(DutyFulfilled)] == [AT_TOWN]
        await again.says()
        assert values(again) == said

        assert (await file(again)).json()["status"] == "filed"
        sequences = {one.subject: one.sequence for one, _ in again.envelopes()}
        assert (sequences[f"duty:{AT_TOWN}"], sequences[f"duty:{AT_DISCIPLINE}"]) == (2, 2)
        assert [one.recipient for one in again.said(ReportHalfFiled)][-1] == "town"
        assert (len(again.said(ReportFiled)), sequences[f"report:{REPORT}"]) == (1, 2)
        assert all(len(bytes_) == 1 for bytes_ in values(again).values())
        await stop(again)
        assert await problems(again) == ([], [])

    async def test_pages_and_entries_name_who_adopted(self, tmp_path: Path) -> None:
        restored = await behind(tmp_path)
        store: Any = restored.service.store
        first = len(pages_in(restored)) + 1

        await adopt(restored, who="clerk-7")

        pages = await store.read_pages(BOOK, range(first, first + 2))
        assert {page.actor.split(" ")[0] for page in pages} == {"adopt:clerk-7"}
        assert [entry.cause for page in pages for entry in page.entries] == ["adopt:clerk-7"]

    @pytest.mark.parametrize(
        ("effect", "survived"),
        [
            ("insert_page", 0),
            ("page_inserted", 0),
            ("insert_page", 1),
            ("page_inserted", 1),
            ("set_marks", 0),
            ("set_marks", 1),
        ],
    )
    async def test_a_kill_on_the_way_leaves_it_not_ready_and_adopting_again_finishes(
        self, tmp_path: Path, effect: str, survived: int
    ) -> None:
        """It writes a fence, a page of facts, and two marks."""
        restored = await behind(tmp_path, heads=tmp_path / "heads")
        said, left = values(restored), survived
        store: Any = restored.service.store

        async def pause(name: str) -> None:
            nonlocal left
            left -= name == effect
            if left < 0:
                raise KilledError

        store._pause = pause
        with pytest.raises(KilledError):
            await adopt(restored)

        again = await restored.again()
        assert again.service._unready()
        await adopt(again)
        ready = await again.again()
        assert ready.service.shelf.behind == {}
        assert (await file(ready)).json()["result"] == "nothing"
        await stop(ready)
        assert values(ready) == said
        assert await problems(ready) == ([], [])

    async def test_a_second_restore_is_found_like_the_first(self, tmp_path: Path) -> None:
        restored = await behind(tmp_path, "town")
        await adopt(restored)
        running = await restored.again()
        kept = await backup(running)
        await file(running, "town-dc")
        await stop(running)

        restored = await kept.restore(running)
        assert BOOK in restored.service.shelf.behind
        await adopt(restored)
        running = await restored.again()
        assert (await file(running)).json()["result"] == "nothing"
        await stop(running)
        assert f"report:{REPORT}/3" not in values(running)
        assert all(len(bytes_) == 1 for bytes_ in values(running).values())
        assert await problems(running) == ([], [])

    async def test_what_lies_on_no_topic_is_counted_and_its_sequence_is_not_used_again(
        self, tmp_path: Path
    ) -> None:
        running = await reporting(tmp_path)
        kept = await backup(running)
        await file(running, "town")
        await file(running, "town-dc")
        await stop(running)
        for log in running.broker.logs.values():
            log[:] = [one for one in log if b"report-half-filed" not in one.value]
        restored = await kept.restore(running)

        (result,) = [one for one in await adopt(restored) if one.book == BOOK]

        assert result.missing == {f"report:{REPORT}": 1}
        lines = list(told([result], restored.plan.origin))
        assert any(line.startswith(f"lost: 1 sequences of report:{REPORT}") for line in lines)
        (state,) = await restored.service.store.load_states([REPORT])
        assert dict(state["sequences"])[f"report:{REPORT}"] == 2

    async def test_without_the_topics_it_goes_on_only_if_the_loss_is_accepted(self, tmp_path: Path) -> None:
        restored = await behind(tmp_path, heads=tmp_path / "heads")
        restored.broker.lose_everything()
        before = pages_in(restored)

        with pytest.raises(AdoptError, match="--accept-loss"):
            await adopt(restored)
        assert pages_in(restored) == before

        assert {one.facts for one in await adopt(restored, accept_loss=True)} == {0}
        assert (await restored.again()).service.shelf.behind == {}
        assert await problems(restored) == ([], [])

    async def test_a_fact_that_was_said_twice_with_different_content_is_for_people(
        self, tmp_path: Path
    ) -> None:
        restored = await behind(tmp_path)
        log = next(
            log for log in restored.broker.logs.values() if any(b"report-filed" in r.value for r in log)
        )
        filed = next(record for record in log if b"report-filed" in record.value)
        log.append(filed._replace(value=filed.value.replace(b'"time":"2026-01-20', b'"time":"2026-01-21')))

        with pytest.raises(AdoptError, match="twice with different content"):
            await adopt(restored)
        assert BOOK in (await restored.again()).service.shelf.behind

    async def test_a_backup_of_a_running_service_whose_states_are_newer_is_refused(
        self, tmp_path: Path
    ) -> None:
        restored = await behind(tmp_path)
        restored.database.marks[BOOK]["applied"] += 10

        with pytest.raises(AdoptError, match="backup was made of a running service"):
            await adopt(restored)

    async def test_from_a_date_on_only_what_was_said_since_then_is_read(self, tmp_path: Path) -> None:
        restored = await behind(tmp_path)

        results = await adopt(restored, since=JANUARY + timedelta(days=1))

        assert {one.facts for one in results} == {0}

    async def test_a_book_that_is_not_behind_is_not_touched(self, tmp_path: Path) -> None:
        running = await reporting(tmp_path)
        await stop(running)
        before = dict(running.database.pages)

        assert await adopt(running) == []
        assert running.database.pages == before
        assert list(told([], running.plan.origin)) == [
            "no book is behind what was published / 没有账本落后于已发布的内容"
        ]


class TestTheOtherStreams:
    async def test_the_directory_takes_its_tree_back(self, tmp_path: Path) -> None:
        running = await Running("directory", build_directory, tmp_path, JANUARY).start()
        kept = await backup(running)
        await imports(running, a_file())
        await stop(running)
        said = len(running.said(UnitPlaced))
        restored = await kept.restore(running)

        (result,) = await adopt(restored)
        running = await restored.again()

        assert result.facts == said
        assert (await imports(running, a_file()))["unchanged"] == len(a_file().splitlines()) - 1
        assert (await running.get(f"/v1/units/{VILLAGE}", "operator", unit=TOWNSHIP)).is_success
        assert await problems(running) == ([], [])

    async def test_a_foreign_duty_comes_back_and_its_wish_is_heard_once_only(self, tmp_path: Path) -> None:
        running = await reporting(tmp_path)
        foreigner = Foreigner(running, tmp_path)
        kept = await backup(running)
        records = [foreigner.record(wish(due_at=JANUARY + timedelta(days=60)))]
        await running.hears_all_said("directory", JANUARY + timedelta(seconds=1))
        await running.service._apply(records)
        await stop(running)
        assert DUTY in [one.duty for one in running.said(DutyOpened)]
        restored = await kept.restore(running)

        await adopt(restored)
        again = await restored.again()
        await again.hears_all_said("directory", JANUARY + timedelta(seconds=1))
        await again.service._apply(records)
        await stop(again)

        assert again.service._results == {"duplicate": 1}
        assert len(values(again).keys() & {f"duty:{DUTY}/1", f"duty:{DUTY}/2"}) == 1
        assert await problems(again) == ([], [])


class KilledError(Exception):
    """The command is no more."""


class TestVerifyTellsARestoreFromACutTail:
    """Three pages were published; the backup held the first."""

    def chain(self, actor: str, count: int = 2, *, after: list[Page] | None = None) -> list[Page]:
        pages = list(after or [])
        for _ in range(count):
            before = pages[-1].hash if pages else b"\0" * 32
            pages.append(seal(0, len(pages) + 1, [], actor, 1, before))
        return pages

    def found(self, pages: list[Page], heads: list[Head]) -> list[str]:
        return [fault.problem for fault in verify(0, pages, standing(pages, heads))]

    def head(self, page: Page) -> Head:
        return Head(0, page.number, page.hash)

    def test_a_restore_that_was_adopted_is_no_fault_and_stays_none(self) -> None:
        old = self.chain("service", 5)
        adoption = Adoption("ops", (self.head(old[4]),))
        new = self.chain("service", 1, after=self.chain(adoption.actor, 1, after=old[:2]))
        heads = [self.head(page) for page in (old[1], old[3], old[4], new[2])]

        assert self.found(new, heads) == []
        assert self.found(new, [*heads, self.head(new[3])]) == []
        assert self.found(new[:3], [*heads, self.head(new[3])]) == ["is cut off: page 4 was published"]

    def test_a_restore_that_nobody_adopted_is_a_fault(self) -> None:
        old = self.chain("service", 5)
        heads = [self.head(old[4])]

        assert self.found(old[:2], heads) == ["is cut off: page 5 was published"]
        longer = self.chain("other", 4, after=old[:2])
        assert self.found(longer, [*heads, self.head(longer[4])]) == [
            "is not the page whose hash was published"
        ]

    def test_who_writes_the_database_alone_cannot_pass_a_cut_tail_off_as_a_restore(self) -> None:
        old = self.chain("service", 5)
        forged = self.chain(Adoption("ops", (self.head(old[4]),)).actor, 1, after=old[:2])

        assert self.found(forged, [self.head(old[4])]) == ["is cut off: page 5 was published"]

    def test_an_adoption_says_nothing_of_the_pages_that_the_backup_held(self) -> None:
        old = self.chain("service", 5)
        other = self.chain("liar", 2)
        adopted = self.chain(Adoption("ops", (self.head(old[4]),)).actor, 1, after=other)
        heads = [self.head(old[1]), self.head(old[4]), self.head(adopted[2])]

        assert self.found(adopted, heads) == ["is not the page whose hash was published"]

    def test_a_line_that_a_crash_has_torn_is_passed_over(self, tmp_path: Path) -> None:
        (page,) = self.chain("service", 1)
        file = tmp_path / "heads"
        file.write_text(f"0/\n0/1:{page.hash.hex()}\n0/2:abc")

        assert read_heads(file) == {0: [self.head(page)]}
