"""Other systems bring duties to reporting, by topic and over HTTP, and see what becomes of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.directory import UnitPlaced
from contracts.duties import DutyFulfilled, DutyOpened, DutyRefused, Line
from contracts.duties_in import DutyBrought, DutyDone
from contracts.envelope import Fact, Said, encode, encode_said
from contracts.escalations import DutyMissed, EscalationRaised
from contracts.topics import PARTITIONS
from deploy.embedded.keys import make_keys, make_token
from services.reminders.app import build as build_reminders
from services.reporting.app import build
from services.reporting.entrypoints import duties
from services.reporting.entrypoints.topics import MAX_WISH_BYTES
from shared.access import Identity
from shared.clock import MICROSECOND
from shared.ids import partition_of
from shared.state import Inbound
from tests.support.kit import entries
from tests.support.reminders import Places, a_village
from tests.support.running import Running

NOW = datetime(2026, 3, 2, 1, 15, tzinfo=UTC)
DUE = datetime(2026, 3, 31, 16, tzinfo=UTC)
HOUR = timedelta(hours=1)
DUTY = "training.lesson-1"
OPENED = DutyOpened(
    duty=DUTY,
    unit="village",
    kind="lesson",
    line=Line.MAIN,
    recipient="county",
    period="2026-Q1",
    due_at=DUE,
    policy="standard/1",
    occurrence=DUTY,
    received_at=NOW,
)


def wish(**changes: Any) -> DutyBrought:
    """Return the wish of a lesson for the village, owed to a superior above the token's subtree."""
    brought = DutyBrought(
        duty=DUTY,
        unit="village",
        kind="lesson",
        line=Line.MAIN,
        recipient="county",
        period="2026-Q1",
        due_at=DUE,
    )
    return brought.model_copy(update=changes)


def done(at: datetime = NOW, duty: str = DUTY, unit: str = "village") -> DutyDone:
    return DutyDone(duty=duty, unit=unit, done_at=at)


def body(**changes: Any) -> dict[str, Any]:
    """Return the same wish as HTTP takes it."""
    sent = wish().model_dump(mode="json", exclude={"duty"}) | {"id": "lesson-1"}
    return sent | changes


@dataclass
class Foreigner:
    """A system that is none of ours: its token, and what it sends."""

    running: Running
    folder: Path
    sub: str = "training"
    unit: str = "town"
    roles: tuple[str, ...] = ("duties:lesson",)
    valid: timedelta = HOUR
    sent: list[Inbound] = field(default_factory=list)

    @property
    def token(self) -> str:
        identity = Identity(sub=self.sub, unit=self.unit, roles=self.roles)
        return make_token(self.folder, identity, valid=self.valid)

    def record(self, fact: Fact, event: str = "e-1", **changes: Any) -> Inbound:
        """Return a record as it lies on the topic; its events are not numbered by stream."""
        value = encode(fact, source="elsewhere", sequence=0, time=NOW, correlation="c", cause="c")
        value = value.replace(f'"id":"{fact.subject}/0"'.encode(), f'"id":"{event}"'.encode())
        where = partition_of(fact.subject, PARTITIONS)
        record = Inbound("duties-in", where, len(self.sent), fact.subject.encode(), value, self.token)
        self.sent.append(record._replace(**changes))
        return self.sent[-1]

    async def sends(self, fact: Fact, event: str = "e-1", **changes: Any) -> Inbound:
        """Send a record and let reporting hear it and say what it has decided."""
        record = self.record(fact, event, **changes)
        await hears(self.running, record)
        return record

    async def posts(self, path: str = "", **json: Any) -> Any:
        """Ask for something over HTTP, and let reporting say what it has decided."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = await self.running.http.post(f"/v1/duties{path}", json=json, headers=headers)
        await self.running.says()
        return answer

    async def gets(self, duty: str = DUTY) -> Any:
        """Ask how a duty stands."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self.running.http.get(f"/v1/duties/{duty}", headers=headers)


async def hears(running: Running, *records: Inbound) -> None:
    await running.hears_again(records)
    await running.says()


async def reporting(folder: Path, made: Places | None = None) -> Running:
    """Return reporting that has read all of the directory."""
    running = await Running("reporting", build, folder, NOW).start()
    await running.hears(*(made or a_village()).facts)
    await running.hears_all_said("directory", NOW + HOUR)
    return running


@pytest.fixture
async def training(tmp_path: Path) -> Foreigner:
    """Return the training office of a town, whose reporting is up."""
    return Foreigner(await reporting(tmp_path), tmp_path)


def other(one: Foreigner, **changes: Any) -> Foreigner:
    """Return another system, or another token of the same."""
    kept = {"sub": one.sub, "unit": one.unit, "roles": one.roles} | changes
    return Foreigner(one.running, one.folder, **kept)


def on_duties(running: Running) -> list[Any]:
    return running.said(DutyOpened, DutyFulfilled, DutyRefused)


def dead_letters(running: Running) -> list[str]:
    return [
        str(record.reason)
        for (topic, _), log in running.broker.logs.items()
        for record in log
        if topic == "duties-in-dlq"
    ]


def word_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


async def pages(running: Running) -> int:
    """Return how many entries all books hold."""
    store: Any = running.service.store
    return sum([len(await entries(store, book)) for book in range(PARTITIONS)])


class TestByTopic:
    async def test_a_duty_that_is_brought_is_said_on_as_our_own(self, training: Foreigner) -> None:
        await training.sends(wish())

        ((envelope, fact),) = training.running.envelopes()
        assert fact == OPENED
        assert (envelope.source, envelope.subject, envelope.sequence) == (
            "/zeren/reporting",
            f"duty:{DUTY}",
            1,
        )
        assert (envelope.causationid, envelope.correlationid) == ("e-1", DUTY)

    async def test_a_duty_that_is_done_is_fulfilled_once(self, training: Foreigner) -> None:
        await training.sends(wish())
        await training.sends(done(NOW - HOUR), "e-2")
        await training.sends(done(NOW), "e-3")

        assert on_duties(training.running)[1:] == [
            DutyFulfilled(duty=DUTY, unit="village", fulfilled_at=NOW - HOUR)
        ]

    async def test_the_same_record_again_is_nothing_at_all_even_when_another_process_hears_it(
        self, training: Foreigner
    ) -> None:
        brought = await training.sends(wish())
        refused = await training.sends(done(NOW + HOUR), "e-2")
        before = await pages(training.running)

        await hears(training.running, brought, refused, brought)
        again = await training.running.again()
        await hears(again, brought, refused)

        assert await pages(again) == before
        assert [type(fact) for fact in on_duties(again)] == [DutyOpened, DutyRefused]

    async def test_another_event_under_the_id_of_an_earlier_one_is_taken_for_that(
        self, training: Foreigner
    ) -> None:
        await training.sends(wish())

        await training.sends(done(), "e-1")

        assert on_duties(training.running) == [OPENED]

    async def test_two_owners_may_use_the_same_ids(self, training: Foreigner) -> None:
        drills = other(training, sub="drills")
        await training.sends(wish())
        await drills.sends(wish(duty="drills.lesson-1"))

        assert {fact.duty for fact in training.running.said(DutyOpened)} == {DUTY, "drills.lesson-1"}

    async def test_the_same_duty_in_another_event_changes_nothing(self, training: Foreigner) -> None:
        await training.sends(wish())
        training.running.clock.moment = NOW + HOUR

        await training.sends(wish(), "e-2")

        assert on_duties(training.running) == [OPENED]

    @pytest.mark.parametrize(
        ("fact", "word"),
        [
            (wish(kind="drill"), "not_allowed"),
            (wish(unit="county"), "unknown_unit"),
            (wish(unit="nowhere"), "unknown_unit"),
            (wish(recipient="nowhere"), "unknown_recipient"),
            (wish(due_at=NOW), "due_in_past"),
            (wish(policy="mine/1"), "unknown_policy"),
            (done(), "unknown_duty"),
        ],
    )
    async def test_what_is_refused_is_said_to_the_owner_and_opens_nothing(
        self, training: Foreigner, fact: Any, word: str
    ) -> None:
        await training.sends(fact)

        assert on_duties(training.running) == [
            DutyRefused(duty=DUTY, unit=fact.unit, word=word, request="e-1")
        ]
        assert word_of(await training.gets()) == (404, "unknown_duty")

    async def test_a_duty_of_a_closed_unit_is_refused(self, training: Foreigner) -> None:
        training.running.service.tree.units["village"].is_closed = True

        await training.sends(wish())

        assert [fact.word for fact in on_duties(training.running)] == ["unit_closed"]

    async def test_what_is_refused_leaves_an_open_duty_as_it_was(self, training: Foreigner) -> None:
        await training.sends(wish())
        before = (await training.gets()).json()

        await training.sends(wish(title="other"), "e-2")
        await other(training, roles=("duties:drill",)).sends(done(), "e-3")
        await other(training, unit="city").sends(done(unit="town"), "e-4")

        words = [fact.word for fact in training.running.said(DutyRefused)]
        assert words == ["opened_otherwise", "not_allowed", "opened_otherwise"]
        assert (await training.gets()).json() == before

    async def test_a_duty_finished_before_it_was_brought_is_done_once_it_is_finished_again(
        self, training: Foreigner
    ) -> None:
        await training.sends(done())
        await training.posts(**body())
        await training.sends(done(), "e-2")

        assert on_duties(training.running) == [
            DutyRefused(duty=DUTY, unit="village", word="unknown_duty", request="e-1"),
            OPENED,
            DutyFulfilled(duty=DUTY, unit="village", fulfilled_at=NOW),
        ]

    async def test_a_type_of_tomorrow_is_ignored(self, training: Foreigner) -> None:
        record = training.record(wish())
        await hears(training.running, record._replace(value=record.value.replace(b"duty-brought", b"duty-x")))

        assert (on_duties(training.running), await pages(training.running)) == ([], 0)


class TestWhoSends:
    async def test_a_record_without_a_valid_token_is_put_aside_alone(self, training: Foreigner) -> None:
        forger = other(training)
        forger.folder = training.folder / "elsewhere"
        make_keys(forger.folder)
        for number, token in enumerate(("", "garbage", forger.token)):
            await training.sends(wish(), f"e-{number}", token=token)
        expired = other(training)
        expired.valid = -MICROSECOND * 1_000_000
        await expired.sends(wish(), "e-9")

        assert on_duties(training.running) == []
        assert dead_letters(training.running) == [
            "no valid token: DecodeError",
            "no valid token: DecodeError",
            "no valid token: InvalidSignatureError",
            "no valid token: ExpiredSignatureError",
        ]

    async def test_what_was_put_aside_holds_up_nobody_and_may_come_again_with_a_token(
        self, training: Foreigner
    ) -> None:
        record = await training.sends(wish(), token="")

        await hears(training.running, record._replace(offset=7, token=training.token))

        assert on_duties(training.running) == [OPENED]

    async def test_nobody_has_a_say_on_the_duty_of_another(self, training: Foreigner) -> None:
        drills = other(training, sub="drills", unit="province")
        await drills.sends(wish())
        await training.sends(wish())
        before = await pages(training.running)
        await drills.sends(done(), "e-2")
        await drills.sends(wish(title="other"), "e-3")

        assert on_duties(training.running) == [OPENED]
        assert dead_letters(training.running) == [f"{DUTY} is not the id of a duty of drills"] * 3
        assert await pages(training.running) == before + 2
        book = training.running.service.books[partition_of(f"duty-in:{DUTY}", PARTITIONS)]
        assert await book.parked(f"foreign:{DUTY}") == ()

    @pytest.mark.parametrize(
        "duty", ["2025.main-responsibility.village@town", "training.", "training.a/b", "training"]
    )
    async def test_an_id_that_could_be_a_reports_is_put_aside(self, training: Foreigner, duty: str) -> None:
        sub = duty.partition(".")[0]
        await other(training, sub=sub).sends(wish(duty=duty))

        assert on_duties(training.running) == []
        assert dead_letters(training.running) == [f"{duty} is not the id of a duty of {sub}"]

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"value": b"{"}, "json_invalid"),
            ({"value": b"x" * (MAX_WISH_BYTES + 1)}, "json_invalid"),
            ({"key": b"duty-in:training.lesson-2"}, "different streams"),
        ],
    )
    async def test_what_cannot_be_read_parks_nobodys_stream(
        self, training: Foreigner, changes: dict[str, Any], reason: str
    ) -> None:
        await training.sends(wish(), "e-0", **changes, token="")
        await training.sends(wish())

        assert on_duties(training.running) == [OPENED]
        assert [reason in letter for letter in dead_letters(training.running)] == [True]

    async def test_a_wish_that_would_swell_into_a_fact_too_large_is_put_aside(
        self, training: Foreigner
    ) -> None:
        await training.sends(wish(unit="u" * MAX_WISH_BYTES))
        await training.sends(wish(unit="u" * (MAX_WISH_BYTES // 4)), "e-2")

        assert dead_letters(training.running) == [f"UnreadableError: larger than {MAX_WISH_BYTES} bytes"]
        assert [fact.word for fact in on_duties(training.running)] == ["unknown_unit"]

    async def test_no_number_of_bad_records_stops_reporting(self, training: Foreigner) -> None:
        for number in range(25):
            await training.sends(wish(), f"e-{number}", token="")
            await training.sends(wish(), f"m-{number}", value=f"malformed {number}".encode())

        await training.sends(wish())
        assert on_duties(training.running) == [OPENED]
        assert len(dead_letters(training.running)) == 50

    async def test_nobody_speaks_for_the_directory_here(self, training: Foreigner) -> None:
        heard = training.running.service.heard
        before = heard.through_all("directory", PARTITIONS, "/zeren/directory")
        said = Said(source="/zeren/directory", books=(0,), of=99, through=DUE)
        value = encode_said(said, topic="duties-in", partition=0, time=NOW)

        await hears(training.running, Inbound("duties-in", 0, 0, None, value))

        assert heard.through_all("directory", PARTITIONS, "/zeren/directory") == before

    async def test_a_token_is_kept_nowhere(self, training: Foreigner) -> None:
        await training.sends(wish())
        await training.sends(wish(unit="nowhere", duty="training.x"), "e-2")
        await other(training, sub="drills").sends(wish(), "e-3")

        database = training.running.database
        kept = repr((database.pages, database.states, training.running.broker.logs))
        assert DUTY in kept
        assert all(record.token not in kept for record in training.sent)


class TestTheDirectoryIsNotReadYet:
    @pytest.fixture
    async def early(self, tmp_path: Path) -> Foreigner:
        """Return the training office of a town whose reporting has read nothing yet."""
        return Foreigner(await Running("reporting", build, tmp_path, NOW).start(), tmp_path)

    async def offsets(self, one: Foreigner, *records: Inbound) -> dict[tuple[str, int], int]:
        found = await one.running.service._apply(records)
        await one.running.says()
        return found

    async def test_a_record_waits_and_its_partition_with_it(self, early: Foreigner) -> None:
        first, second = early.record(wish()), early.record(done(), "e-2")

        assert await self.offsets(early, first, second) == {}
        await early.running.hears_all_said("directory", NOW)
        assert await self.offsets(early, first, second) == {}
        assert (on_duties(early.running), await pages(early.running)) == ([], 0)

        await early.running.hears(*a_village().facts)
        assert await self.offsets(early, first, second) == {("duties-in", first.partition): 2}
        assert [type(fact) for fact in on_duties(early.running)] == [DutyOpened, DutyFulfilled]

    async def test_what_names_known_units_does_not_wait_for_the_rest(self, early: Foreigner) -> None:
        await early.running.hears(*a_village().facts)

        await early.sends(wish())

        assert on_duties(early.running) == [OPENED]

    async def test_other_partitions_go_on(self, early: Foreigner) -> None:
        held = early.record(wish())
        bad = next(
            record
            for n in range(99)
            if (record := early.record(wish(duty=f"drills.{n}"), "e-2")).partition != held.partition
        )

        assert await self.offsets(early, held, bad) == {("duties-in", bad.partition): bad.offset + 1}
        assert len(dead_letters(early.running)) == 1

    async def test_a_unit_is_unknown_once_the_directory_has_said_all_up_to_the_wish(
        self, early: Foreigner
    ) -> None:
        """However long the wish waits: it is the moment at which it came that counts."""
        record = early.record(wish())
        await self.offsets(early, record)

        early.running.clock.moment = NOW + HOUR
        await early.running.hears_all_said("directory", NOW)
        assert await self.offsets(early, record) == {}
        await early.running.hears_all_said("directory", NOW + MICROSECOND)
        assert len(await self.offsets(early, record)) == 1

        assert [fact.word for fact in on_duties(early.running)] == ["unknown_unit"]

    async def test_a_unit_placed_a_moment_ago_is_waited_for(self, training: Foreigner) -> None:
        training.running.clock.moment = NOW + HOUR
        record = training.record(wish(unit="new-village"))
        assert await self.offsets(training, record) == {}

        await training.running.hears(UnitPlaced(unit="new-village", name="新村", kind="x", parent="town"))
        await self.offsets(training, record)

        assert [fact.unit for fact in training.running.said(DutyOpened)] == ["new-village"]

    async def test_over_http_the_caller_is_told_to_come_again(
        self, early: Foreigner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(duties, "PATIENCE", 0.0)
        assert word_of(await early.posts(**body())) == (503, "not_ready")
        assert await pages(early.running) == 0

        await early.running.hears(*a_village().facts)
        assert (await early.posts(**body())).status_code == 201

        again = other(early)
        again.running = await Running("reporting", build, early.folder, NOW, before=early.running).start()
        again.running.service.tree.units.clear()
        assert word_of(await again.posts("/training.lesson-1/fulfilments")) == (503, "not_ready")
        assert word_of(await again.gets()) == (503, "not_ready")


class TestOverHttp:
    async def test_a_duty_is_opened_and_bringing_it_again_changes_nothing(self, training: Foreigner) -> None:
        first = await training.posts(**body())
        again = await training.posts(**body())

        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == {
            "duty": DUTY,
            "result": "applied",
            "status": "open",
            "unit": "village",
            "recipient": "county",
            "kind": "lesson",
            "received_at": NOW.isoformat(),
            "due_at": DUE.isoformat(),
            "fulfilled_at": None,
        }
        assert again.json() == first.json() | {"result": "nothing"}
        assert on_duties(training.running) == [OPENED]

    async def test_a_duty_is_finished_and_finishing_it_again_changes_nothing(
        self, training: Foreigner
    ) -> None:
        await training.posts(**body())
        first = await training.posts(f"/{DUTY}/fulfilments", done_at=(NOW - HOUR).isoformat())
        again = await training.posts(f"/{DUTY}/fulfilments")

        assert first.status_code == again.status_code == 200
        assert (first.json()["status"], first.json()["result"]) == ("fulfilled", "applied")
        assert again.json() == first.json() | {"result": "nothing"}
        assert (await training.gets()).json()["fulfilled_at"] == (NOW - HOUR).isoformat()
        assert training.running.said(DutyFulfilled) == [
            DutyFulfilled(duty=DUTY, unit="village", fulfilled_at=NOW - HOUR)
        ]

    async def test_a_duty_done_without_a_date_is_done_now(self, training: Foreigner) -> None:
        await training.posts(**body())
        training.running.clock.moment = NOW + HOUR
        await training.posts(f"/{DUTY}/fulfilments")

        assert [fact.fulfilled_at for fact in training.running.said(DutyFulfilled)] == [NOW + HOUR]

    async def test_it_is_the_same_duty_whichever_way_it_came(self, training: Foreigner) -> None:
        await training.sends(wish())
        assert (await training.posts(**body())).json()["result"] == "nothing"
        assert (await training.posts(f"/{DUTY}/fulfilments")).json()["result"] == "applied"
        await training.sends(done(), "e-2")

        assert [type(fact) for fact in on_duties(training.running)] == [DutyOpened, DutyFulfilled]

    @pytest.mark.parametrize(
        ("changes", "answer"),
        [
            ({"kind": "drill"}, (403, "not_allowed")),
            ({"unit": "county"}, (404, "unknown_unit")),
            ({"unit": "nowhere"}, (404, "unknown_unit")),
            ({"recipient": "nowhere"}, (404, "unknown_recipient")),
            ({"due_at": NOW.isoformat()}, (409, "due_in_past")),
            ({"policy": "mine/1"}, (409, "unknown_policy")),
            ({"period": ""}, (409, "bad_text")),
            ({"id": "a/b"}, (422, "bad_id")),
            ({"id": "a@town"}, (422, "bad_id")),
            ({"id": ""}, (422, "bad_id")),
            ({"line": "both"}, (422, "invalid")),
            ({"due_at": "2026-03-31"}, (422, "invalid")),
        ],
    )
    async def test_a_refusal_is_an_answer_and_nothing_is_said(
        self, training: Foreigner, changes: dict[str, Any], answer: tuple[int, str]
    ) -> None:
        assert word_of(await training.posts(**body(**changes))) == answer
        assert (on_duties(training.running), await pages(training.running)) == ([], 0)

    async def test_other_content_under_the_same_id_is_refused(self, training: Foreigner) -> None:
        await training.posts(**body())

        assert word_of(await training.posts(**body(title="other"))) == (409, "opened_otherwise")
        late = (NOW + MICROSECOND).isoformat()
        assert word_of(await training.posts(f"/{DUTY}/fulfilments", done_at=late)) == (409, "done_in_future")
        assert on_duties(training.running) == [OPENED]

    async def test_what_was_not_brought_is_not_there(self, training: Foreigner) -> None:
        assert word_of(await training.posts(f"/{DUTY}/fulfilments")) == (404, "unknown_duty")
        assert word_of(await training.gets()) == (404, "unknown_duty")

    @pytest.mark.parametrize(
        ("sub", "word"),
        [
            ("training.evil", (422, "bad_id")),
            ("a@b", (422, "bad_id")),
            ("培训", (401, "invalid_token")),
            ("with space", (401, "invalid_token")),
        ],
    )
    async def test_a_token_whose_name_is_no_owners_brings_nothing(
        self, training: Foreigner, sub: str, word: tuple[int, str]
    ) -> None:
        assert word_of(await other(training, sub=sub).posts(**body())) == word
        assert await pages(training.running) == 0

    async def test_without_a_token_nothing_is_done(self, training: Foreigner) -> None:
        for path in ("", f"/{DUTY}/fulfilments"):
            answer = await training.running.http.post(f"/v1/duties{path}", json=body())
            assert word_of(answer) == (401, "invalid_token")

    async def test_nobody_finishes_the_duty_of_another(self, training: Foreigner) -> None:
        await training.posts(**body())
        drills = other(training, sub="drills", unit="province")
        operator = other(training, sub="somebody", unit="province", roles=("operator", "duties:lesson"))

        for one in (drills, operator):
            assert word_of(await one.posts(f"/{DUTY}/fulfilments")) == (403, "not_allowed")
        assert on_duties(training.running) == [OPENED]

    async def test_a_token_that_was_cut_down_finishes_no_more_than_it_may_bring(
        self, training: Foreigner
    ) -> None:
        await training.posts(**body())
        path = f"/{DUTY}/fulfilments"

        assert word_of(await other(training, roles=()).posts(path)) == (403, "not_allowed")
        assert word_of(await other(training, unit="village-2").posts(path)) == (404, "unknown_unit")
        assert on_duties(training.running) == [OPENED]

    @pytest.mark.parametrize(
        ("changes", "status"),
        [
            ({}, 200),
            ({"sub": "somebody", "unit": "village", "roles": ("operator",)}, 200),
            ({"sub": "drills"}, 404),
            ({"unit": "village-2"}, 404),
            ({"sub": "somebody", "unit": "other-town", "roles": ("operator",)}, 404),
        ],
    )
    async def test_its_owner_and_the_operators_of_its_subtree_see_a_duty(
        self, tmp_path: Path, changes: dict[str, Any], status: int
    ) -> None:
        made = a_village()
        made.level("other-town", "county")
        training = Foreigner(await reporting(tmp_path, made), tmp_path)
        await training.posts(**body())

        assert (await other(training, **changes).gets()).status_code == status

    async def test_refusals_are_told_in_the_language_of_the_caller(self, training: Foreigner) -> None:
        headers = {"Authorization": f"Bearer {training.token}", "Accept-Language": "zh-CN"}
        post = training.running.http.post

        answers = [
            await post("/v1/duties", json=body(kind="drill"), headers=headers),
            await post("/v1/duties", json=body(id="/"), headers=headers),
            await post("/v1/duties/drills.x/fulfilments", json={}, headers=headers),
        ]

        for answer in answers:
            assert answer.headers["content-language"] == "zh-CN"
            assert not answer.json()["detail"].isascii()


class TestItGoesOn:
    async def test_another_process_goes_on_where_the_first_one_stopped(self, training: Foreigner) -> None:
        await training.sends(wish())
        training.running = await training.running.again()
        await training.running.hears_all_said("directory", NOW + HOUR)

        assert (await training.posts(**body())).json()["result"] == "nothing"
        await training.sends(wish(period="other"), "e-2")
        await training.sends(done(), "e-3")

        facts = [(envelope.sequence, type(fact)) for envelope, fact in training.running.envelopes()]
        assert facts == [(1, DutyOpened), (2, DutyRefused), (3, DutyFulfilled)]

    async def test_a_foreign_duty_that_nobody_fulfils_is_missed_and_escalates(
        self, training: Foreigner, tmp_path: Path
    ) -> None:
        await training.sends(wish())
        await training.sends(wish(title="other"), "e-2")
        reminders = await Running("reminders", build_reminders, tmp_path, NOW).start()
        await reminders.hears(*a_village().facts, *on_duties(training.running))

        await reminders.until(DUE)
        assert reminders.said(DutyMissed, EscalationRaised) == []
        await reminders.until(DUE + timedelta(days=8))

        (missed,) = reminders.said(DutyMissed)
        assert (missed.duty, missed.kind, missed.unit, missed.occurrence) == (DUTY, "lesson", "village", DUTY)
        told: Sequence[EscalationRaised] = reminders.said(EscalationRaised)
        assert [(one.rung, one.post) for one in told][:2] == [
            (0, "village/handler"),
            (1, "village/leader_in_charge"),
        ]

    async def test_a_foreign_duty_that_was_done_in_time_is_not_missed(
        self, training: Foreigner, tmp_path: Path
    ) -> None:
        await training.posts(**body())
        await training.posts(f"/{DUTY}/fulfilments")
        reminders = await Running("reminders", build_reminders, tmp_path, NOW).start()
        await reminders.hears(*a_village().facts, *on_duties(training.running))

        await reminders.until(DUE + timedelta(days=30))

        assert reminders.said(DutyMissed) == []
