"""The planted faults, at least one for each promise of the kit, and some for each service's rules."""

from typing import NamedTuple

BOOK, DRAFTS, RELAY = "shared/book.py", "shared/drafts.py", "shared/relay.py"
CONSUMER, LEDGER = "shared/consumer.py", "shared/ledger.py"
ADOPT, HEADS, SHELF = "shared/adopt.py", "shared/heads.py", "shared/shelf.py"
RETELLING = "shared/retelling.py"
STATE, MEMORY, TIMER = "shared/state.py", "shared/testing/memory.py", "shared/timer.py"
HEARING = "shared/hearing.py"

KIT = tuple(f"tests/component/test_{name}.py" for name in ("book", "consumer", "instants", "ledger", "model"))
"""The tests that must catch a fault of the kit."""
RESTORE = ("tests/component/test_restore.py",)
RETOLD = ("tests/component/test_retelling.py",)


class Mutant(NamedTuple):
    """One fault: what to replace where, and what it breaks."""

    name: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...] = KIT


INSTANTS = ("tests/component/test_instants.py",)
"""The tests that must catch what only a kill at one instant shows."""

TALLY, TALLIED = "services/reminders/adapters/tally.py", ("tests/component/test_tally.py",)
MEASURING, MEASURED = "shared/measuring.py", ("tests/component/test_measuring.py",)

MUTANTS = [
    Mutant(
        "an escalation that reached the top is no longer open",
        "services/reminders/domain/standing.py",
        "{Status.CLIMBING, Status.EXHAUSTED}",
        "{Status.CLIMBING}",
        ("tests/unit/reminders/test_standing.py", *TALLIED),
    ),
    Mutant(
        "an open escalation stands at the rung that found nobody",
        "services/reminders/domain/standing.py",
        "max(watch.spoken, 0)",
        "max(watch.rung, 0)",
        ("tests/unit/reminders/test_standing.py",),
    ),
    Mutant(
        "each replica counts the open escalations of all",
        TALLY,
        "if book in books:",
        "if books or book:",
        TALLIED,
    ),
    Mutant(
        "the youngest open escalation is told for the oldest", TALLY, "min(oldest, due_at)", "due_at", TALLIED
    ),
    Mutant(
        "what is no longer open is told for ever",
        TALLY,
        "self._places |= found.keys()",
        "self._places = found.keys()",
        TALLIED,
    ),
    Mutant(
        "the calendar's days are counted by the date elsewhere",
        "shared/workdays.py",
        "(self.workdays.covered_until - moment.astimezone(ZoneInfo(zone)).date()).days",
        "(self.workdays.covered_until - moment.date()).days",
        TALLIED,
    ),
    Mutant(
        "records that a partition has lost are taken off the lag of others",
        "shared/kafka.py",
        "max(0, await _left(consumer, place) or 0)",
        "await _left(consumer, place) or 0",
        ("tests/component/test_hearing.py",),
    ),
    Mutant(
        "the book that was verified last is told for the one that waits longest",
        "shared/verified.py",
        "moment = min(",
        "moment = max(",
        MEASURED,
    ),
    Mutant(
        "only the last lateness of the event loop is told",
        MEASURING,
        "return max(self._worst)",
        "return self._worst[-1]",
        MEASURED,
    ),
    Mutant(
        "dead letters are counted for streams",
        MEMORY,
        """return sum(one["book"] in books and one.get("letters", 0) > 0 for one in states)""",
        """return sum(one.get("letters", 0) for one in states if one["book"] in books)""",
        MEASURED,
    ),
    Mutant(
        "who is just being woken is not due",
        TIMER,
        "return self._at_hand + sum(",
        "return sum(",
        MEASURED,
    ),
    Mutant(
        "pages that were said are counted once a turn",
        RELAY,
        ".inc(len(pages))",
        ".inc()",
        MEASURED,
    ),
    Mutant(
        "a schedule opens years after its last one",
        "services/reporting/domain/decide.py",
        "if state.is_over or command.year",
        "if command.year",
        ("tests/unit/reporting/test_schedule.py",),
    ),
    Mutant(
        "every page of a steady stream brings a Said",
        RELAY,
        "self._fresh_at = monotonic()\n",
        "self._fresh_at = self._fresh_at or monotonic()\n",
        ("tests/component/test_relay.py",),
    ),
    Mutant(
        "a topic that the broker does not know yet has no partitions",
        "shared/kafka.py",
        """        if topic["error_code"]:
            raise""",
        """        if False:
            raise""",
        ("tests/component/test_kafka.py",),
    ),
    Mutant(
        "who knows no leader asks a broker that is away without a pause",
        "shared/kafka.py",
        "        if not is_updated:\n",
        "        if False:\n",
        ("tests/component/test_kafka.py",),
    ),
    Mutant(
        "a client that could not connect is left open",
        "shared/kafka.py",
        """    try:
        await client.start()
        yield client""",
        """    await client.start()
    try:
        yield client""",
        ("tests/component/test_kafka.py",),
    ),
    Mutant(
        "a service ends because the broker is not there yet",
        "shared/kafka.py",
        "    except (KafkaError, OSError) as error:",
        "    except ZeroDivisionError as error:",
        ("tests/component/test_kafka.py",),
    ),
    Mutant(
        "a unit that was not read yet does not exist",
        "shared/http.py",
        "        if is_blind():\n",
        "        if False:\n",
        ("tests/component/test_service.py",),
    ),
    Mutant(
        "the first Said of the directory tells that all of it is read",
        "shared/table.py",
        "return has_said and len(self._read) == PARTITIONS",
        "return has_said",
        ("tests/component/test_service.py",),
    ),
    Mutant(
        "states are marked as written before they are",
        BOOK,
        "            streams = list(islice(self._unwritten, most))\n",
        "            streams = list(islice(self._unwritten, most))\n"
        '            await self._store.set_marks({self.number: {"applied": self.head}})\n',
        INSTANTS,
    ),
    Mutant(
        "pages are marked as said before they are",
        RELAY,
        "        if not work:\n            await self._mark(force=False)\n            return False\n",
        "        if not work:\n            await self._mark(force=False)\n            return False\n"
        "        for book, pages in work:\n"
        '            mark = {"said": pages[-1].number, "incarnation": incarnation}\n'
        "            await self._store.set_marks({book.number: mark})\n",
        INSTANTS,
    ),
    Mutant(
        "who takes over trusts the states that were written",
        BOOK,
        "self._settle(page, dict.fromkeys(entry.stream for entry in page.entries))",
        "self._settle(page, ())",
        INSTANTS,
    ),
    Mutant(
        "the window fills with moments that passed and are not written yet",
        BOOK,
        "limit = WINDOW_LIMIT + len(self._unwritten)",
        "limit = WINDOW_LIMIT",
        ("tests/component/test_book.py",),
    ),
    Mutant(
        "a due moment that UTC has no year for ends who reads it",
        "contracts/envelope.py",
        "    except OverflowError:\n",
        "    except ZeroDivisionError:\n",
        ("tests/contract/test_envelope.py",),
    ),
    Mutant(
        "what many decided at one moment is measured once",
        "services/reminders/entrypoints/timer.py",
        "for _ in range(count):",
        "for _ in range(1):",
        ("tests/component/test_reminders.py",),
    ),
    Mutant(
        "a watch that changes loses what it was",
        "services/reminders/domain/model.py",
        "after = Watch(*_VALUES(watch))",
        "after = Watch(watch.duty)",
        ("tests/unit/reminders", "tests/component/test_reminders.py"),
    ),
    Mutant(
        "how far people were told is told as what was said",
        MEASURING,
        "sum(b.told for b in books)",
        "sum(b.said for b in books)",
        MEASURED,
    ),
    Mutant(
        "a watch is held for ever once it was held",
        "services/reminders/entrypoints/timer.py",
        "return gate is None or gate <= now",
        "return True",
        ("tests/component/test_reminders.py",),
    ),
    Mutant(
        "a book that another replica writes is still held",
        "shared/timer.py",
        "            self._forget_others({book.number for book in books})\n",
        "",
        ("tests/component/test_timer.py",),
    ),
    Mutant(
        "a moment that has passed is still the next one",
        BOOK,
        "while self.wakes and not self._is_expected(*self.wakes[0]):",
        "while False:",
    ),
    Mutant(
        "a timer holds somebody of another replica's book",
        TIMER,
        "for number in self.held.keys() - set(books):",
        "for number in ():",
        ("tests/component/test_timer.py",),
    ),
    Mutant(
        "a timer that holds somebody is at rest",
        TIMER,
        "return self._turns > 0 or any(self.held.values())",
        "return self._turns > 0",
        ("tests/component/test_timer.py",),
    ),
    Mutant(
        "a timer that is waking somebody is at rest",
        TIMER,
        "return self._turns > 0 or any(self.held.values())",
        "return any(self.held.values())",
        ("tests/component/test_timer.py",),
    ),
    Mutant(
        "a doubt about an insert is forgotten",
        BOOK,
        "self._doubt = self._doubt or self.undecided_since() or now",
        "pass",
    ),
    Mutant(
        "a doubt begins when it is looked at", BOOK, "self._doubt or self.undecided_since() or now", "now"
    ),
    Mutant(
        "a doubt is dropped unsettled",
        BOOK,
        "            async with self._turn:\n                await self._fence()",
        "            self._doubt = None",
    ),
    Mutant(
        "a broker that came back empty is heard from where the lost one was left",
        HEARING,
        "if found != self._heard.incarnation:\n                log",
        "if False:\n                log",
        ("tests/component/test_hearing.py",),
    ),
    Mutant(
        "what the lost broker had said is still believed",
        HEARING,
        "self._heard.begin(found)",
        "self._heard.incarnation = found",
        ("tests/component/test_hearing.py",),
    ),
    Mutant(
        "the next data are heard before the last batch of the old ones is done",
        HEARING,
        "                await self._put_down()\n                await self._on_replaced()",
        "                self._ears = None\n                await self._on_replaced()",
        ("tests/component/test_hearing.py",),
    ),
    Mutant(
        "a broker that is away at the start is never heard",
        HEARING,
        "            elif self._is_wanted:",
        "            elif False:",
        ("tests/component/test_hearing.py",),
    ),
    Mutant(
        "nobody makes the topics again",
        HEARING,
        "if found is None or found != self._heard.incarnation:",
        "if found is None:\n                return\n            if False:",
        ("tests/component/test_hearing.py",),
    ),
    Mutant(
        "a partition that lost records is passed over",
        "shared/kafka.py",
        "consumer.seek(place, 0)",
        "pass",
        ("tests/component/test_hearing.py",),
    ),
    Mutant(
        "a partition is read again at the first doubt",
        "shared/kafka.py",
        "if below[place] >= BELOW_FOR:",
        "if below[place] >= 1:",
        ("tests/component/test_hearing.py",),
    ),
    Mutant(
        "what was read over a new connection is believed unasked",
        "shared/kafka.py",
        "        if links == self._links:",
        "        if self._links is not None:",
        ("tests/component/test_hearing.py",),
    ),
    Mutant(
        "dealt books stay with who heard the lost broker",
        "shared/service.py",
        "await self.shelf.close_all(set(self.shelf.ours))",
        "pass",
        ("tests/component/test_hearing.py",),
    ),
    Mutant(
        "the tree of a lost broker is filled on",
        "shared/table.py",
        "        self._filling = Tree()",
        "        pass",
        ("tests/component/test_hearing.py",),
    ),
    Mutant(
        "an operator reaches dead letters of any unit",
        "shared/deadletter.py",
        "return tree.is_within(unit, caller.unit) if unit else",
        "return True if unit else",
        ("tests/component/test_reminders.py",),
    ),
    Mutant(
        "an operator of any unit reaches what nobody could read",
        "shared/deadletter.py",
        "top is not None and top.parent is None",
        "True",
        ("tests/component/test_reminders.py",),
    ),
    Mutant(
        "every held stream is tried at once",
        TIMER,
        "if books is None or number in books:",
        "if True:",
        ("tests/component/test_timer.py",),
    ),
    Mutant(
        "held streams of named books only wait",
        TIMER,
        "if books is None or number in books:",
        "if books is None:",
        ("tests/component/test_timer.py",),
    ),
    # Ledger: one insert is lock, fence, outbox and audit trail.
    Mutant(
        "no fence page at take-over",
        BOOK,
        "self._settle(await self._append([], self._clock.now()), ())",
        "pass",
    ),
    Mutant("moments from before the fence are kept", DRAFTS, "request, max(at, since))", "request, at)"),
    Mutant(
        "the clock is not read anew behind the fence",
        BOOK,
        "        await self._clock.refresh()\n"
        "        self._since = max(self._clock.now(), from_micros(self.at))",
        "        self._since = from_micros(0)",
    ),
    Mutant(
        "one's own page is taken for another's",
        BOOK,
        "if there and there[0].hash != page.hash:",
        "if there:",
    ),
    Mutant(
        "another's page is taken for one's own", BOOK, "if there and there[0].hash != page.hash:", "if False:"
    ),
    Mutant(
        "an insert in doubt is believed",
        BOOK,
        "            if not there:",
        "            if False:",
    ),
    Mutant("a page of any length", BOOK, "done + self.page_size", "done + 10**9"),
    Mutant("a page of any size", DRAFTS, "if size + weight > MAX_PAGE_BYTES and entries:", "if False:"),
    Mutant(
        "callers never share a page",
        BOOK,
        "self._writing, self._waiting = self._waiting, []",
        "self._writing, self._waiting = [ticket], [one for one in self._waiting if one is not ticket]",
    ),
    Mutant("digest does not cover events", LEDGER, "        values.append(value)", "        pass"),
    Mutant(
        "digest does not cover what was heard",
        LEDGER,
        "(stream, version, cause, correlation, source, heads)",
        "(stream, version, cause, correlation, heads)",
    ),
    Mutant("a page's hash does not cover its entries", LEDGER, "        h.update(one)", "        pass"),
    Mutant("a cut tail is not found", LEDGER, "if heads and max(heads) > number:", "if False:"),
    Mutant(
        "a forged head is not found",
        LEDGER,
        "if heads.get(page.number, page.hash) != page.hash:",
        "if False:",
    ),
    # Decisions on the newest state only.
    Mutant("a lost page number folds nothing", BOOK, "if record.version < entry.version:", "if False:"),
    Mutant("what is folded is folded again", BOOK, "if record.version < entry.version:", "if True:"),
    Mutant(
        "refused without reading the head",
        BOOK,
        "if unproven and await self._store.read_pages(self.number, [self.head + 1]):",
        "if False:",
    ),
    Mutant(
        "decided on the state itself, not on a draft",
        DRAFTS,
        "record = (drafts.get(stream) or records[stream]).draft()",
        "record = drafts.get(stream) or records[stream]",
    ),
    Mutant(
        "a draft changes what its origin holds",
        DRAFTS,
        "        record.sequences = sequences.copy()\n",
        "",
    ),
    Mutant(
        "a draft changes what its origin has seen",
        DRAFTS,
        "record.seen = record.seen | {source[0]: heard}",
        "record.seen[source[0]] = heard",
    ),
    # Deciding the next page while one is inserted.
    Mutant(
        "the next page is decided on what the page before it has changed",
        BOOK,
        "ahead.get(stream) or self._records[stream]",
        "self._records[stream]",
    ),
    Mutant(
        "two pages are inserted at once",
        BOOK,
        "                    await inserting\n                    inserting =",
        "                    inserting =",
    ),
    Mutant(
        "a page being inserted is left to itself",
        BOOK,
        "            await asyncio.gather(inserting, return_exceptions=True)",
        "            pass",
    ),
    Mutant(
        "states of one page are told to stand at another",
        BOOK,
        "drafts, [], number + 1",
        "drafts, [], number",
    ),
    Mutant(
        "half of a decision is kept",
        DRAFTS,
        "record.sequences, record.body, record.parked = sequences, body, parked",
        "pass",
    ),
    Mutant(
        "who cannot be answered is told that all is lost",
        BOOK,
        "                    _answer(tickets, outcomes)\n",
        "",
    ),
    # States: guarded by page, behind by a bounded distance.
    Mutant(
        "state written over a newer one",
        MEMORY,
        'if there is None or there["page"] < document["page"]:',
        "if True:",
    ),
    Mutant(
        "applied is marked before the states are written",
        BOOK,
        "            streams = list(islice(self._unwritten, most))\n",
        "            streams = list(islice(self._unwritten, most))\n"
        '            await self._store.set_marks({self.number: {"applied": self.head}})\n',
    ),
    Mutant(
        "applied is marked for pages that came meanwhile",
        BOOK,
        "self.applied = min(self._unwritten.values(), default=self.head + 1) - 1",
        "self.applied = self.head",
    ),
    Mutant(
        "a state that moved meanwhile counts as written",
        BOOK,
        "            if self._records[stream].page != page:\n",
        "            if False:\n",
    ),
    Mutant(
        "a state that changes while it is written counts as written up to now",
        BOOK,
        "self._unwritten[stream] = head + 1",
        "self._unwritten[stream] = self.head + 1",
    ),
    Mutant(
        "a stream that changes again counts as written up to then",
        BOOK,
        "self._unwritten.setdefault(stream, page.number)",
        "self._unwritten[stream] = page.number",
    ),
    Mutant(
        "states wait in memory without an end",
        BOOK,
        "            await self.flush(surplus)\n",
        "            pass\n",
    ),
    Mutant(
        "who has too many states unwritten writes them all",
        BOOK,
        "            await self.flush(surplus)\n",
        "            await self.flush()\n",
    ),
    Mutant(
        "an unwritten state is let go of",
        BOOK,
        "            if stream not in self._unwritten and (",
        "            if (",
    ),
    Mutant("the appender never waits", BOOK, "if self.head - self.applied > self._distance:", "if False:"),
    Mutant(
        "seen is not stored",
        STATE,
        '"seen": [(subject, seen.last, seen.missing) for subject, seen in record.seen.items()]',
        '"seen": []',
    ),
    # Nothing is a decision too; once is once.
    Mutant("seen is not looked at", DRAFTS, "        if known is not None:", "        if False:"),
    Mutant("nothing is not remembered", DRAFTS, "if not (events or source):", "if not events:"),
    Mutant("gaps are forgotten", STATE, "if sequence > self.last + 1 else ()", "if False else ()"),
    Mutant("a gap is closed by its neighbour", STATE, "min(last, sequence - 1)", "min(last, sequence - 2)"),
    # Relay.
    Mutant(
        "marked before it is sent",
        RELAY,
        "work.append((book, await self._unsaid(book)))",
        "work.append((book, await self._unsaid(book)))\n                book.said = work[-1][1][-1].number",
    ),
    Mutant(
        "the broker's incarnation is not looked at", RELAY, "if book.incarnation != incarnation:", "if False:"
    ),
    Mutant(
        "a page is passed over",
        RELAY,
        "self._pages(book, book.said + 1, min(",
        "self._pages(book, book.said + 2, min(",
    ),
    Mutant(
        "people are not told of a page",
        RELAY,
        "first, last = book.told + 1, min",
        "first, last = book.told + 2, min",
        ("tests/component/test_relay.py",),
    ),
    Mutant(
        "what people were told of is not marked",
        RELAY,
        '{"said": said, "told": told, "incarnation"',
        '{"said": said, "told": 0, "incarnation"',
        ("tests/component/test_relay.py",),
    ),
    Mutant(
        "facts and notices come side by side",
        RELAY,
        "            await self._breathe()\n",
        "",
        ("tests/component/test_relay.py",),
    ),
    Mutant(
        "a moment is lost with the database's answer",
        BOOK,
        "                heapq.heappush(self.wakes, (moment, stream))\n            raise",
        "                pass\n            raise",
        ("tests/component/test_book.py",),
    ),
    Mutant(
        "what was brought for a moment is let go of before it",
        BOOK,
        "kept_until = now if self._is_any_due(now) else 0",
        "kept_until = 0",
        ("tests/component/test_book.py",),
    ),
    Mutant("pages are said backwards", RELAY, "for page in pages\n", "for page in reversed(pages)\n"),
    Mutant(
        "said while pages are unsaid",
        RELAY,
        "            and book.said == book.head\n            and book.number not in overtaken\n",
        "            and book.number not in overtaken\n",
    ),
    Mutant("said while another writer goes on", RELAY, "            and book.number not in overtaken\n", ""),
    Mutant(
        "said before the fence",
        RELAY,
        """if book.is_open]
        if not books:
            return
        since = [book.undecided_since() or start for book in books]
        overtaken = await self._store.taken({book.number: book.head + 1 for book in books})
        quiet = [
            n
            for n, book in enumerate(books)
            if book.is_open
""",
        """]
        if not books:
            return
        since = [book.undecided_since() or start for book in books]
        overtaken = await self._store.taken({book.number: book.head + 1 for book in books})
        quiet = [
            n
            for n, book in enumerate(books)
            if True
""",
    ),
    Mutant("said ignoring undecided requests", RELAY, "[book.undecided_since() or start for", "[start for"),
    Mutant(
        "said through the end of the pass",
        RELAY,
        "through = [books[n] for n in quiet], min(start, *(since[n] for n in quiet))",
        "through = [books[n] for n in quiet], self._clock.now()",
    ),
    # Consumers.
    Mutant(
        "offsets of a lost book are committed",
        CONSUMER,
        "        except BookLostError:\n            return None",
        '        except BookLostError:\n            return [Outcome("nothing") for _ in requests]',
    ),
    Mutant(
        "said is heard before what was refused",
        CONSUMER,
        "            if (record.topic, record.partition) not in lost:\n                self._heard",
        "            if True:\n                self._heard",
    ),
    Mutant(
        "one book speaks for all", CONSUMER, "if not books or len(books) < self._of[source]:", "if not books:"
    ),
    Mutant(
        "the last book's word counts for all",
        CONSUMER,
        "return min(books.values())",
        "return max(books.values())",
    ),
    Mutant(
        "the word of a lost broker is heard",
        CONSUMER,
        "if self.incarnation is not None and said.incarnation != self.incarnation:",
        "if False:",
    ),
    Mutant(
        "an unknown type is a dead letter",
        CONSUMER,
        "            return None\n        fact = fact_type",
        '            raise UnreadableError("unknown")\n        fact = fact_type',
    ),
    Mutant("any size is read", CONSUMER, "if len(record.value) > MAX_FACT_BYTES:", "if False:"),
    Mutant(
        "any partition is right",
        CONSUMER,
        "if partition_of(envelope.subject, partitions) != record.partition:",
        "if False:",
    ),
    Mutant(
        "garbage of another partition parks a stream of this one",
        CONSUMER,
        "and partition_of(key, self._partitions) == record.partition",
        "",
    ),
    Mutant("garbage is known by its offset", CONSUMER, '(f"{here}#{known_by}", 1)', "(cause, 1)"),
    Mutant(
        "dead letters never stop a topic",
        CONSUMER,
        "if self._bad_in_a_row[topic] >= MAX_CONSECUTIVE:",
        "if False:",
    ),
    Mutant(
        "what waits counts as one in a row",
        CONSUMER,
        '        if outcome.result == "parked":\n            return\n',
        '        if outcome.result == "parked":\n'
        "            self._bad_in_a_row[topic] += 1\n            return\n",
    ),
    # Dead letters.
    Mutant(
        "a parked stream is not joined",
        DRAFTS,
        "        if record.parked:\n            return self._park(",
        "        if False:\n            return self._park(",
    ),
    Mutant(
        "a parked stream is decided on", DRAFTS, "if record.parked and request.record is None:", "if False:"
    ),
    Mutant(
        "a parked stream still wakes",
        STATE,
        "wake_at = None if record.parked else self.wake_at(record.body)",
        "wake_at = self.wake_at(record.body)",
    ),
    Mutant(
        "parking is applying",
        DRAFTS,
        "return Outcome(result, (letter,), state=record.body), [*events, said], None",
        "return Outcome(result, (letter,), state=record.body), [*events, said], request.source",
    ),
    Mutant(
        "a dead letter may be parked twice",
        DRAFTS,
        "    if source in letters:",
        "    if False:",
    ),
    Mutant(
        "a replayed letter is not remembered",
        DRAFTS,
        "                source = again.source\n",
        "                source = None\n",
    ),
    Mutant(
        "a replay takes all letters out", STATE, "record.parked = record.parked[1:]", "record.parked = ()"
    ),
    # Waking.
    Mutant(
        "stored moments are lost on take-over", BOOK, "        for row in stored:", "        for row in ():"
    ),
    Mutant(
        "moments promised lately are lost",
        BOOK,
        "        if wake_at is not None and wake_at <= self._wakes_until:",
        "        if False:",
    ),
    Mutant(
        "a moment that more share than fit the window is looked for at each page",
        BOOK,
        " and not self._is_any_due(micros):",
        ":",
        ("tests/component/test_book.py",),
    ),
    Mutant(
        "pages that wait to be told fill the memory",
        BOOK,
        "while self._in_tail > AT_HAND and",
        "while False and",
        ("tests/component/test_relay.py",),
    ),
    Mutant(
        "what was let go of counts as at hand",
        BOOK,
        "            self._in_tail -= len(self.tail.popleft().entries)\n",
        "            self.tail.popleft()\n",
        ("tests/component/test_relay.py",),
    ),
    Mutant(
        "what was said stays in memory while others are due",
        BOOK,
        "        if surplus <= 0:\n",
        "        if surplus <= 0 or self._is_any_due(to_micros(self._clock.now())):\n",
        ("tests/component/test_book.py",),
    ),
    Mutant(
        "woken early",
        BOOK,
        "while self._is_any_due(micros) and",
        "while self._is_any_due(micros + 500) and",
    ),
    Mutant("a failed waking is forgotten", TIMER, "held.update(dict.fromkeys(streams, 0.0))", "pass"),
]


def _in(service: str, module: str, name: str, old: str, new: str) -> Mutant:
    """Return a fault in a rule of a service, which its own unit and component tests must catch."""
    tests = (f"tests/unit/{service}", f"tests/component/test_{service}.py")
    return Mutant(f"{service}: {name}", f"services/{service}/domain/{module}.py", old, new, tests)


MUTANTS += [
    _in(
        "reminders",
        "decide",
        "what is done at the due moment is late",
        "    if fulfilled_at > opened.due_at:\n        missed",
        "    if fulfilled_at >= opened.due_at:\n        missed",
    ),
    _in(
        "reminders",
        "decide",
        "a miss is said with every rung",
        "[_missed(opened)] if watch.status is Status.WATCHING else []\n    return [*missed, *climb",
        "[_missed(opened)]\n    return [*missed, *climb",
    ),
    _in(
        "reminders",
        "decide",
        "taking note holds nothing",
        "    if delay == watch.delay:\n",
        "    if delay >= watch.delay:\n",
    ),
    _in(
        "reminders",
        "decide",
        "a watch wakes early",
        "or now < watch.next_at:",
        "or now < watch.next_at - MICROSECOND:",
    ),
    _in(
        "reminders",
        "climb",
        "every passed rung speaks",
        "top = next(k for k in count(first) if at(k + 1) > now or not called(k))",
        "top = first",
    ),
    _in(
        "reminders",
        "climb",
        "a vacant post ends the climb",
        "        if _has_anyone(called(k)):\n",
        "        if True:\n",
    ),
    _in(
        "reminders",
        "climb",
        "a verdict is judged by the first rung only",
        "        gate = moment\n",
        "        pass\n",
    ),
    _in(
        "reminders",
        "evolve",
        "a verdict needs no owner",
        "watch.next_at > watch.opened.due_at",
        "watch.next_at > watch.opened.due_at + (watch.next_at - watch.opened.due_at)",
    ),
    _in(
        "reminders", "evolve", "an ended duty still wakes", "status=status, next_at=None, ", "status=status, "
    ),
    _in(
        "reminders",
        "telling",
        "what was taken note of is told",
        " and fact.rung not in watch.held",
        "",
    ),
    _in(
        "reminders",
        "ladder",
        "above the listed rungs the same level is told again",
        "+ above\n    roles",
        "+ above - 1\n    roles",
    ),
    _in(
        "reporting",
        "decide",
        "paper may come in the future",
        "    if at > now:\n",
        "    if False:\n",
    ),
    _in(
        "reporting",
        "decide",
        "a filing is repeated",
        "if edge.recipient in named and edge.filed_at is None]",
        "if edge.recipient in named]",
    ),
    _in(
        "reporting",
        "decide",
        "a report is opened twice",
        "    if state.status is not Status.NONE:\n        return ()\n",
        "",
    ),
    _in(
        "reporting",
        "model",
        "the last day does not count",
        "tzinfo=ZoneInfo(self.zone)) + DAY)",
        "tzinfo=ZoneInfo(self.zone)))",
    ),
    _in(
        "reporting",
        "decide",
        "a year opens once and for all",
        "next_year=fact.year + 1",
        "next_year=fact.year + 2",
    ),
    _in(
        "reporting",
        "routes",
        "a committee reports to its own discipline committee",
        "else _discipline_above(tree, unit)",
        "else tree.discipline_of(unit)",
    ),
    _in(
        "reminders",
        "decide",
        "a duty waived when it was due is not missed",
        "(watch.status is Status.WATCHING and waived_at <= opened.due_at)",
        "watch.status is Status.WATCHING",
    ),
    _in(
        "reminders",
        "evolve",
        "a duty waived before its opening is watched",
        "        status = Status.WAIVED\n    return",
        "        pass\n    return",
    ),
    _in(
        "inspection",
        "trigger",
        "the window is closed at both ends",
        "end - trigger.window < miss.due_at",
        "end - trigger.window <= miss.due_at",
    ),
    _in(
        "inspection",
        "trigger",
        "two recipients of one report are two",
        "return miss.occurrence, miss.period",
        "return miss.duty, miss.period",
    ),
    _in(
        "inspection",
        "trigger",
        "periods of one obligation are one",
        "return miss.occurrence, miss.period",
        'return miss.occurrence, ""',
    ),
    _in("inspection", "trigger", "one more than the rule says", ">= trigger.misses:", "> trigger.misses:"),
    _in(
        "inspection",
        "trigger",
        "the oldest window is the evidence",
        "misses}, reverse=True)",
        "misses})",
    ),
    _in(
        "inspection",
        "dossier",
        "dismissed evidence proposes again",
        "if i.status not in (Status.PROPOSED, Status.WITHDRAWN)]",
        "if i.status not in (Status.PROPOSED, Status.WITHDRAWN, Status.DISMISSED)]",
    ),
    _in(
        "inspection",
        "dossier",
        "evidence of a withdrawn proposal is used up",
        "if i.status not in (Status.PROPOSED, Status.WITHDRAWN)]",
        "if i.status is not Status.PROPOSED]",
    ),
    _in(
        "inspection",
        "dossier",
        "withdrawn misses carry a proposal",
        "for miss in self.evidence if miss.duty not in self.void)",
        "for miss in self.evidence)",
    ),
    _in("inspection", "propose", "a second proposal beside the first", "pending is not None:", "False:"),
    _in(
        "inspection",
        "propose",
        "a miss counts after its withdrawal",
        " or any(void == duty for void, _ in state.void)",
        "",
    ),
    _in(
        "inspection",
        "propose",
        "a withdrawn miss of an old proposal is passed over",
        "(due_at <= since and not is_evidence)",
        "due_at <= since",
    ),
    _in(
        "inspection",
        "propose",
        "what was withdrawn does not move the window",
        "(due_at, *heard)",
        "(due_at, *(miss.due_at for miss in state.misses))",
    ),
    _in("inspection", "evolve", "old misses are kept for ever", "if miss.due_at > fact.since)", "if True)"),
    _in(
        "inspection",
        "decide",
        "an inspection closes over open findings",
        "if any(finding.is_open for finding in found.findings):",
        "if False:",
    ),
    _in(
        "inspection",
        "rectify",
        "a circular alone ends a finding",
        "            return refusals.CIRCULAR_ONLY\n",
        "            return _dismiss(state, inspection, finding, command, now)\n",
    ),
    _in(
        "inspection",
        "rectify",
        "the duty of a dismissed finding goes on",
        "return dismissed, reason, DutyWaived(duty=open_duty, unit=bearer, waived_at=now)",
        "return dismissed, reason",
    ),
    _in(
        "inspection",
        "rectify",
        "the unit's duty is waived where the inspector's is open",
        "open_duty = finding.verification if is_submitted else finding.rectification",
        "open_duty = finding.rectification",
    ),
    _in(
        "inspection",
        "rectify",
        "verified without a submission",
        "    if finding.stage is not Stage.SUBMITTED:\n"
        "        return refusals.NOTHING_SUBMITTED if finding.is_open else refusals.ENDED\n"
        "    verified",
        "    verified",
    ),
    _in(
        "inspection",
        "owed",
        "a returned duty continues nothing",
        "continues=finding.rectification or None,",
        "continues=None,",
    ),
    _in(
        "inspection",
        "owed",
        "midnight belongs to the next month",
        "due_at - MICROSECOND:%Y-%m",
        "due_at:%Y-%m",
    ),
    _in(
        "directory",
        "units",
        "a unit may stand below itself",
        "if parent == code or _is_below(parent, code, tree):",
        "if False:",
    ),
    _in(
        "directory",
        "checks",
        "a cycle in a file is not seen",
        "if row.parent is not None and row.code in chart.circular:",
        "if False:",
    ),
    _in(
        "directory",
        "importing",
        "a unit that moves is not noticed",
        "    if unit.parent != wanted.parent:\n",
        "    if False:\n",
    ),
    _in(
        "directory",
        "posts",
        "a held post is given away",
        "return () if last.person == command.person else refusals.held(state.code)",
        "pass",
    ),
    _in(
        "directory",
        "posts",
        "a post that came with its unit is unknown",
        "    state = _known(state, tree)\n",
        "",
    ),
    _in("directory", "units", "a role twice in a unit", "        if post.role in seen:", "        if False:"),
    _in(
        "directory",
        "importing",
        "rows that only lead are planned too",
        "_plan(rows[leading:], chart, zone)",
        "_plan(rows, chart, zone)",
    ),
    _in(
        "directory",
        "chart",
        "planning walks the whole tree",
        "        for start in self.rows:\n",
        "        for start in (*self.rows, *self.tree.units):\n",
    ),
    Mutant(
        "what came with a unit undoes what was defined later",
        "contracts/tree.py",
        "self.defined.get(code) or self._planned(code)",
        "self._planned(code) or self.defined.get(code)",
        ("tests/unit/directory",),
    ),
    Mutant(
        "a tenure heard before its unit is lost",
        "contracts/tree.py",
        "                self._posts.tenures.setdefault(fact.post, []).append(",
        "                self._posts.tenures.setdefault(fact.post, []) if fact.post not in self.posts else "
        "self._posts.tenures.setdefault(fact.post, []).append(",
        ("tests/unit/directory",),
    ),
]

MUTANTS += [
    _in("scoring", "rate", "nothing due is a quotient", "        if self.is_empty:\n", "        if False:\n"),
    _in(
        "scoring",
        "rate",
        "almost all is shown as all",
        "tenths = int(share * 1000)",
        "tenths = round(share * 1000)",
    ),
    _in(
        "scoring",
        "outcome",
        "what is done at the due moment is late",
        "row.fulfilled_at <= row.due_at",
        "row.fulfilled_at < row.due_at",
    ),
    _in("scoring", "outcome", "what came back was accepted", "    if is_returned:\n", "    if False:\n"),
    _in(
        "scoring",
        "outcome",
        "what is waived stays in the denominator",
        "Outcome.WAIVED: Rate()",
        "Outcome.WAIVED: Rate(0, 1)",
    ),
    _in("scoring", "outcome", "late counts as nothing", "Rate(0, 1, late=1)", "Rate(0, 1)"),
    _in("scoring", "decide", "the last end is kept", "or new < (at, fact)", "or new > (at, fact)"),
    _in(
        "scoring",
        "decide",
        "a duty is opened twice",
        "    if row.due_at is not None:\n        return []\n",
        "",
    ),
    _in(
        "scoring",
        "months",
        "24:00 belongs to the next day",
        "month_of(due_at - MICROSECOND, zone)",
        "month_of(due_at, zone)",
    ),
    _in("scoring", "heat", "late counts as in time", "LATE = Fraction(1, 2)", "LATE = Fraction(1)"),
    _in(
        "scoring",
        "heat",
        "a gap of the threshold is none",
        "difference >= scheme.threshold",
        "difference > scheme.threshold",
    ),
    _in(
        "scoring",
        "heat",
        "no data is as cold as can be",
        "None if above is None or below is None else above - below",
        "(above or Fraction()) - (below or Fraction())",
    ),
    _in(
        "scoring",
        "flags",
        "one window is enough",
        "state.flags.get(reading.unit), last_windows(month, scheme.windows)",
        "state.flags.get(reading.unit), (month,)",
    ),
    _in(
        "scoring",
        "flags",
        "a month without data closes a gap",
        "is_closed = has_data and not",
        "is_closed = not",
    ),
    _in(
        "scoring",
        "flags",
        "withdrawn misses keep a flag up",
        "if is_closed or not _is_lost_in(reading, known, scheme):",
        "if is_closed:",
    ),
    _in(
        "scoring",
        "flags",
        "a flag is raised every month",
        "return [] if known == last else [FlagStood(scheme=scheme.id, unit=reading.unit, windows=last)]",
        "return [_flagged(reading, last, scheme)]",
    ),
    _in(
        "scoring",
        "territory",
        "a discipline committee counts for nobody",
        "(committee,) if discipline is None else (committee, discipline)",
        "(committee,)",
    ),
    _in(
        "scoring",
        "territory",
        "a closed unit owes nothing any more",
        "if unit.same_level is None]",
        "if unit.same_level is None and not unit.is_closed]",
    ),
]


def _edge(service: str, module: str, name: str, old: str, new: str) -> Mutant:
    """Return a fault where a service meets the world, which its component tests alone must catch."""
    path = f"services/{service}/{module}.py"
    return Mutant(f"{service}: {name}", path, old, new, (f"tests/component/test_{service}.py",))


MUTANTS += [
    _edge(
        "reminders",
        "entrypoints/timer",
        "a verdict ahead of its owner",
        "is_heard = owner is not None and owner > gate",
        "is_heard = True",
    ),
    _edge(
        "reminders",
        "entrypoints/timer",
        "the due moment counts as said through itself",
        "is_heard = owner is not None and owner > gate",
        "is_heard = owner is not None and owner >= gate",
    ),
    _edge(
        "reminders",
        "entrypoints/timer",
        "a rung on an unread tree",
        "return is_heard and tree > gate",
        "return is_heard",
    ),
    _edge(
        "reminders",
        "entrypoints/timer",
        "a reminder before the directory was read",
        "        if tree is None:\n            return False\n",
        "        tree = tree or now\n",
    ),
    _edge(
        "reminders",
        "entrypoints/timer",
        "who must wait is forgotten",
        "return [stream for stream in streams if stream in failed or alike[stream] in waiting]",
        "return [stream for stream in streams if stream in failed]",
    ),
    _edge(
        "reminders",
        "adapters/notices",
        "what is void is told",
        "document is None or not is_still_true(watches[stream], fact)",
        "document is None",
    ),
    _edge(
        "reminders",
        "adapters/notices",
        "a notice for each time it is said",
        '"_id": envelope.id,',
        '"_id": f"{envelope.id}/{to_micros(told_at)}",',
    ),
    _edge(
        "reminders",
        "entrypoints/http",
        "anybody takes note for anybody",
        'require(caller.has(f"post:{body.post}"), "not your post", "不是本人的职务")',
        "pass",
    ),
    _edge(
        "reminders",
        "entrypoints/http",
        "anybody reads anybody's notices",
        'require(allowed, "only the post itself or an operator may read them", "仅限本职务或运维人员查看")',
        "pass",
    ),
    _edge(
        "reminders",
        "entrypoints/http",
        "notices of every subtree",
        'if _within(service, notice["unit"], caller.unit)',
        "if True",
    ),
    _edge(
        "reporting",
        "entrypoints/timer",
        "a year is over before its reports are open",
        "        if schedule.root in self._service.tree.units:\n",
        "        await self._service.decide(book.number, [Request(stream, OpenYear(year), cause)])\n"
        "        if schedule.root in self._service.tree.units:\n",
    ),
    _edge(
        "reporting",
        "entrypoints/timer",
        "a year opens on an unread tree",
        "if heard is None or heard <= schedule.opens_at(schedule.next_year):",
        "if heard is None:",
    ),
    _edge(
        "reporting",
        "entrypoints/http",
        "anybody says when paper came",
        '                caller.has("operator"),\n                "only an operator may say when',
        '                True,\n                "only an operator may say when',
    ),
    _edge(
        "reporting",
        "entrypoints/http",
        "filing in any subtree",
        "        _known(service, state.unit, caller.unit)\n        if body",
        "        if body",
    ),
    _edge(
        "inspection",
        "entrypoints/desk",
        "somebody decides on his own unit",
        "tree.is_within(other, unit) and tree.committee_of(other) != tree.committee_of(unit)",
        "tree.is_within(other, unit)",
    ),
    _edge(
        "inspection",
        "entrypoints/desk",
        "anybody decides",
        'require(caller.has("inspector"), "only an inspector may"',
        'require(True, "only an inspector may"',
    ),
    _edge(
        "inspection",
        "entrypoints/desk",
        "decided outside the subtree",
        "        self.known(unit, caller.unit)\n        require(self.is_above",
        "        require(self.is_above",
    ),
    _edge(
        "inspection",
        "entrypoints/desk",
        "a unit is shown what is proposed about it",
        'return caller.has("inspector") and self.is_above(caller.unit, unit)',
        "return True",
    ),
    _edge(
        "inspection",
        "entrypoints/topics",
        "duties without an occurrence are all the same",
        "occurrence=fact.occurrence or fact.duty,",
        "occurrence=fact.occurrence,",
    ),
    _edge(
        "directory",
        "entrypoints/http",
        "a replica without the tree judges files",
        "        await service.writer(BOOK)\n",
        "        pass\n",
    ),
    _edge(
        "directory",
        "entrypoints/http",
        "a dry run does it",
        'return answer | {"done": 0} if dry_run else answer | await _do(service, plan.waves)',
        "return answer | await _do(service, plan.waves)",
    ),
    _edge(
        "directory",
        "app",
        "the tree is not followed",
        "tree.apply(FACTS[envelope.type].read(envelope.data), envelope.sequence)",
        "tree.apply(FACTS[envelope.type].read(envelope.data), 1)",
    ),
    _edge(
        "directory",
        "entrypoints/http",
        "every unit is seen by everybody",
        "if code not in tree.units or not tree.is_within(code, caller.unit):",
        "if code not in tree.units:",
    ),
    _edge(
        "scoring",
        "entrypoints/hearing",
        "a silent owner is not waited for",
        "return min(known) if len(known) == len(moments) else None",
        "return min(known, default=None)",
    ),
    _edge(
        "scoring",
        "entrypoints/hearing",
        "what is heard is summed before it is written",
        "        await asyncio.gather(*(book.flush() for book in self._service.opened()))\n",
        "",
    ),
    _edge(
        "scoring",
        "entrypoints/hearing",
        "what is heard is marked before it is written",
        "                await book.flush()\n",
        "",
    ),
    _edge(
        "scoring",
        "entrypoints/hearing",
        "a replica knows only what it heard itself",
        "return None if mark is None else from_micros(mark)",
        "return None",
    ),
    _edge(
        "scoring",
        "entrypoints/timer",
        "heat is judged on an unread tree",
        "min(as_of, directory) <= end:",
        "as_of <= end:",
    ),
    _edge(
        "scoring",
        "entrypoints/timer",
        "heat is judged ahead of an owner",
        "min(as_of, directory) <= end:",
        "min(as_of, directory) < end:",
    ),
    _edge(
        "scoring",
        "entrypoints/timer",
        "a month is over before its edges are judged",
        "wishes = [*(JudgeEdges(heat.month, part) for part in parts), CloseMonth(heat.month)]",
        "wishes = [CloseMonth(heat.month), *(JudgeEdges(heat.month, part) for part in parts)]",
    ),
    _edge(
        "scoring",
        "entrypoints/timer",
        "a flag outlives its edge",
        "        yield from (Reading(unit, {}) for unit in sorted(gone))\n",
        "",
    ),
    _edge(
        "scoring",
        "entrypoints/topics",
        "a duty may be named as heat",
        "or not duty or duty == HEAT:",
        "or not duty:",
    ),
    _edge(
        "scoring",
        "entrypoints/http",
        "every unit is seen by everybody",
        "if unit not in service.tree.units or not service.tree.is_within(unit, root):",
        "if unit not in service.tree.units:",
    ),
    _edge(
        "scoring",
        "entrypoints/words",
        "what sent work back is not named",
        "*([] if returned_by is None else [returned_by])",
        "",
    ),
    _edge(
        "scoring",
        "adapters/sums",
        "work that came back is summed as accepted",
        '            query["_id"] = {"$nin": sorted(came_back)}\n',
        "            pass\n",
    ),
    _edge(
        "scoring",
        "adapters/sums",
        "a window counts what is not due yet",
        "end = min(ends_at(window, zone) + MICROSECOND, as_of)",
        "end = ends_at(window, zone) + MICROSECOND",
    ),
    _edge(
        "scoring",
        "adapters/sums",
        "a window has one zone",
        "if zone is None or self._zone(u) == zone}",
        "}",
    ),
    _edge(
        "scoring",
        "adapters/recompute",
        "a wrong score is not found",
        "if right.get(unit) != stored.get(unit))",
        "if unit not in stored)",
    ),
]


def _foreign(path: str, name: str, old: str, new: str) -> Mutant:
    """Return a fault in the intake of foreign duties."""
    tests = ("tests/unit/reporting/test_foreign.py", "tests/component/test_foreign_duties.py")
    return Mutant(f"foreign duties: {name}", f"services/reporting/{path}.py", old, new, tests)


MUTANTS += [
    _foreign(
        "domain/foreign",
        "any token brings any kind",
        "    if wish.kind not in command.kinds:\n",
        "    if False:\n",
    ),
    _foreign(
        "domain/foreign",
        "any token finishes any kind",
        "    if opened.kind not in command.kinds:\n",
        "    if False:\n",
    ),
    _foreign(
        "domain/foreign",
        "every subtree may be reached",
        "if unit not in tree.units or not tree.is_within(unit, root):",
        "if unit not in tree.units:",
    ),
    _foreign(
        "domain/foreign",
        "a duty is finished outside the subtree",
        "    if command.found is Found.OUTSIDE:\n",
        "    if False:\n",
    ),
    _foreign(
        "domain/foreign",
        "the due moment itself lies ahead",
        "    if wish.due_at <= now:\n",
        "    if wish.due_at < now:\n",
    ),
    _foreign(
        "domain/foreign",
        "done at the moment of receipt is too late",
        "    if done_at > now:\n",
        "    if done_at >= now:\n",
    ),
    _foreign(
        "domain/foreign",
        "due beyond all calendars",
        "    if wish.due_at > now + HORIZON:\n",
        "    if False:\n",
    ),
    _foreign(
        "domain/foreign",
        "what is open is opened again",
        "    if state.opened is not None:\n",
        "    if False:\n",
    ),
    _foreign(
        "domain/foreign",
        "other content is taken for the same",
        "is_same = opened == state.opened.model_copy(update={",
        "is_same = state.opened == state.opened.model_copy(update={} and {",
    ),
    _foreign(
        "domain/foreign",
        "what is done is done again",
        "    if state.fulfilled_at is not None:\n",
        "    if False:\n",
    ),
    _foreign(
        "domain/foreign",
        "an owner's name may hold a dot",
        'r"([A-Za-z0-9][A-Za-z0-9_-]{0,63})',
        'r"([A-Za-z0-9][A-Za-z0-9_.-]{0,63})',
    ),
    _foreign("domain/foreign", "an id may be a report's", "[A-Za-z0-9._-]{0,127}", "[A-Za-z0-9._@-]{0,127}"),
    _foreign("domain/foreign", "a refused record hears nothing", " and command.record:", " and False:"),
    _foreign("domain/foreign", "a refused request is said to all", " and command.record:", ":"),
    _foreign(
        "domain/foreign",
        "a closed unit bears duties",
        "    if command.unit is Found.CLOSED:\n",
        "    if False:\n",
    ),
    _foreign(
        "entrypoints/topics",
        "anybody speaks for any owner",
        "        if owner_of(fact.duty) != caller.sub:\n",
        "        if owner_of(fact.duty) is None:\n",
    ),
    _foreign(
        "entrypoints/topics",
        "every event is a new one",
        'known_by = (f"{caller.sub}#{envelope.id}", 1)',
        'known_by = (f"{caller.sub}#{record.offset}", 1)',
    ),
    _foreign(
        "entrypoints/topics",
        "a unit is unknown before the directory was read",
        "        if not is_tree_read(self._service, since):\n",
        "        if False:\n",
    ),
    _foreign(
        "entrypoints/topics",
        "who waits begins to wait anew each time",
        "        if offset != record.offset:\n",
        "        if True:\n",
    ),
    _foreign(
        "entrypoints/topics",
        "the directory is read once it has said anything",
        "return heard is not None and heard > moment",
        "return heard is not None",
    ),
    _foreign(
        "entrypoints/topics",
        "a wish of any size",
        "        if len(record.value) > MAX_WISH_BYTES:\n",
        "        if False:\n",
    ),
    _foreign(
        "entrypoints/topics",
        "each way has a book of its own",
        'partition_of(f"{DutyInFact.prefix}:{duty}", PARTITIONS)',
        "(partition_of(duty, PARTITIONS) + 1) % PARTITIONS",
    ),
    _foreign(
        "entrypoints/duties",
        "anybody finishes anybody's duty",
        "require(owner_of(duty) == caller.sub, ",
        "require(True, ",
    ),
    _foreign(
        "entrypoints/duties",
        "a token brings duties under another's name",
        "        if owner_of(duty) != caller.sub:\n",
        "        if owner_of(duty) is None:\n",
    ),
    _foreign(
        "entrypoints/duties",
        "anybody sees anybody's duty",
        'may_see = caller.has("operator") or owner_of(duty) == caller.sub',
        "may_see = True",
    ),
    _foreign(
        "entrypoints/duties",
        "a request is not told to come again",
        "        if monotonic() > until:\n            raise",
        "        if monotonic() > until:\n            return\n            raise",
    ),
    Mutant(
        "foreign topics: their mistakes stop us",
        CONSUMER,
        "        if topic in self._foreign and isinstance(request.command, Park):\n            return\n",
        "",
    ),
    Mutant(
        "foreign topics: our own mistakes do not stop us",
        CONSUMER,
        "if topic in self._foreign and isinstance(request.command, Park):",
        "if topic in self._foreign:",
    ),
    Mutant(
        "foreign topics: garbage parks a stream",
        CONSUMER,
        "            is_alone = is_alone or record.topic in self._foreign\n",
        "",
    ),
    Mutant(
        "foreign topics: anybody speaks for our services",
        CONSUMER,
        "return envelope.type, None if record.topic in self._foreign else fact",
        "return envelope.type, fact",
    ),
    Mutant(
        "foreign records that wait are overtaken",
        CONSUMER,
        "            if place in held:\n",
        "            if False:\n",
    ),
    Mutant(
        "foreign records that wait are passed over",
        CONSUMER,
        "if tp not in lost | held}",
        "if tp not in lost}",
    ),
    Mutant(
        "a new version is said without the one before",
        RELAY,
        "return (newest,) if lowering is None else (newest, *older(newest, lowering))",
        "return (newest,)",
        ("tests/component/test_versions.py",),
    ),
    Mutant(
        "the older version is said before the newest",
        RELAY,
        "(newest, *older(newest, lowering))",
        "(*older(newest, lowering), newest)",
        ("tests/component/test_versions.py",),
    ),
    Mutant(
        "an old record is not lifted",
        "contracts/envelope.py",
        "return cls.model_validate(data).lifted()",
        "return cls.model_validate(data)",
        ("tests/component/test_versions.py",),
    ),
    Mutant(
        "two moves that are heard the other way round close a circle",
        "contracts/tree.py",
        "if parent is not None and self._is_below(parent, unit.code):",
        "if parent == unit.code:",
        ("tests/contract/test_tree.py",),
    ),
    Mutant(
        "a sequence may be larger than the database can keep",
        CONSUMER,
        "if envelope.sequence > MAX_SEQUENCE:",
        "if False:",
        ("tests/component/test_consumer.py",),
    ),
    Mutant(
        "a door is open without a token",
        "shared/http.py",
        "return path in OPEN or",
        "return path in OPEN or path.startswith('/v1/progress') or",
        ("tests/fuzz/test_http.py",),
    ),
    Mutant(
        "an entry may be erased without a fact",
        LEDGER,
        "        if place not in named:",
        "        if False:",
        ("tests/component/test_erasure.py",),
    ),
    Mutant(
        "what was left of an erased entry may change",
        LEDGER,
        "        elif erased[place] != named[place]:",
        "        elif False:",
        ("tests/component/test_erasure.py",),
    ),
    Mutant(
        "a published fact may be erased",
        LEDGER,
        "(may_change or before == after)",
        "True",
        ("tests/component/test_erasure.py",),
    ),
    Mutant(
        "an erased entry keeps its salt",
        "shared/erasure.py",
        'entry._replace(events=events, salt=b"")',
        "entry._replace(events=events)",
        ("tests/component/test_erasure.py",),
    ),
    Mutant(
        "an erased dead letter keeps its record",
        "shared/erasure.py",
        'key_text=None, value_base64="", reason',
        "key_text=None, reason",
        ("tests/component/test_erasure.py",),
    ),
    Mutant(
        "words stay in the state",
        "shared/erasing.py",
        "    await _mend(store, book.number, shape, wish.stream)",
        "    pass",
        ("tests/component/test_erasure.py",),
    ),
    Mutant(
        "garbage is said among the dead letters",
        DRAFTS,
        'request.record.value if request.is_ours else b""',
        "request.record.value",
        ("tests/component/test_privacy.py",),
    ),
    Mutant(
        "a stream is called by whatever a key holds",
        CONSUMER,
        "                is_identifier(key)\n",
        "                key\n",
        ("tests/component/test_privacy.py",),
    ),
    Mutant(
        "a token may bear a name",
        "shared/access.py",
        "if not is_identifier(identity.sub):",
        "if False:",
        ("tests/component/test_privacy.py",),
    ),
    Mutant(
        "a mistake in an input is quoted",
        "shared/reasons.py",
        "{one['type']}",
        "{one['type']} {error}",
        ("tests/unit/test_reasons.py",),
    ),
    Mutant(
        "restore: a book behind what was published is taken over",
        SHELF,
        "for number in numbers - self.behind.keys()))",
        "for number in numbers))",
        RESTORE,
    ),
    Mutant(
        "restore: a process whose books are behind is ready",
        "shared/service.py",
        "        if self.shelf.behind:\n",
        "        if False:\n",
        RESTORE,
    ),
    Mutant(
        "restore: another page under a published number is the same",
        HEADS,
        "if not (pages and pages[0].hash == head.hash)",
        "if not pages",
        RESTORE,
    ),
    Mutant(
        "restore: the file of heads is not looked at",
        "shared/service.py",
        "heads = [*newest_heads(self.settings.heads, numbers), *await",
        "heads = [*await",
        RESTORE,
    ),
    Mutant(
        "restore: one adoption makes every later head void",
        HEADS,
        "return adoption is not None and head in adoption.supersedes",
        "return adoption is not None",
        RESTORE,
    ),
    Mutant(
        "restore: an adoption makes heads void that the backup held",
        HEADS,
        "(first if page.actor == actor else page.number)",
        "1",
        RESTORE,
    ),
    Mutant(
        "restore: an adoption that no file of heads names makes heads void",
        HEADS,
        "    for _, number, page_hash in heads:\n",
        "    for _, number, page_hash in [*heads, *(Head(0, *at) for at in spans)]:\n",
        RESTORE,
    ),
    Mutant(
        "restore: a book is adopted before its facts are back",
        ADOPT,
        "            await book.take_back(entries)\n            await self._finish(book)\n",
        "            await self._finish(book)\n            await book.take_back(entries)\n",
        RESTORE,
    ),
    Mutant(
        "retelling: decisions of one moment are told in any order",
        RETELLING,
        "next((group for group in rest if _is_first(group, rest)), rest[0])",
        "rest[-1]",
        RETOLD,
    ),
    Mutant(
        "retelling: what had been heard before is told behind all that was said",
        RETELLING,
        "            if not (is_before or is_first) and (at > first.time or request.cause in answered):\n",
        "            if not is_before:\n",
        RETOLD,
    ),
    Mutant(
        "retelling: a stream does not begin with what was heard",
        RETELLING,
        "not (is_before or is_first) and",
        "not is_before and",
        RETOLD,
    ),
    Mutant(
        "retelling: what does not fit is not named",
        RETELLING,
        "raise MisfitError(fact, error) from error",
        "raise",
        RETOLD,
    ),
    Mutant(
        "retelling: a decision that said nothing then may say something now",
        RETELLING,
        "            for entry in map(_without_words, entries):\n",
        "            for entry in entries:\n",
        RETOLD,
    ),
    Mutant(
        "retelling: what is decided anew is told before what was said",
        RETELLING,
        "            if not is_before and any(event.topic is not None for entry",
        "            if False and any(event.topic is not None for entry",
        RETOLD,
    ),
    Mutant(
        "retelling: the private facts beside an answer are lost",
        RETELLING,
        "            _, decided = self._events(record, first, [heard.command])\n",
        "",
        RETOLD,
    ),
    Mutant(
        "retelling: what came before a fact is not decided again",
        RETELLING,
        "            decided += events\n        entry",
        "        entry",
        RETOLD,
    ),
    Mutant(
        "retelling: what follows is not planned again",
        RETELLING,
        "(*entry.events, *private)",
        "entry.events",
        RETOLD,
    ),
    Mutant(
        "retelling: what nobody had answered is not heard again",
        RETELLING,
        "        for queue in waiting:\n            for one in queue:\n",
        "        for queue in waiting[:0]:\n            for one in queue:\n",
        RETOLD,
    ),
    Mutant(
        "retelling: an answer is not remembered",
        RETELLING,
        "return self._entry(record, first.correlationid, heard.source, ",
        "return self._entry(record, first.correlationid, None, ",
        RETOLD,
    ),
    Mutant(
        "adopt: what the backup had heard is heard again",
        ADOPT,
        "                if not _is_seen(stored.get(wish.stream), wish.source):\n",
        "                if True:\n",
        RETOLD,
    ),
    Mutant(
        "adopt: the entries of a stream are sorted by their moments",
        ADOPT,
        "        latest = at if latest is None else max(at, latest)\n",
        "        latest = at\n",
        RETOLD,
    ),
    Mutant(
        "adopt: a verification lies in the dossier of the inspector",
        "services/inspection/domain/owed.py",
        'duty.split(".", 1)[1].rsplit(".", 4)[0]',
        'duty.split(".", 1)[1].rsplit(".", 3)[0]',
        RETOLD,
    ),
    Mutant(
        "adopt: months before a flag are judged again",
        "services/scoring/entrypoints/origin.py",
        "    while month < judged:\n",
        "    while month < judged[:0]:\n",
        RETOLD,
    ),
    Mutant(
        "adopt: a climb that was put off goes on as if it were not",
        "services/reminders/entrypoints/origin.py",
        "if isinstance(fact, EscalationAcknowledged) else []",
        "if fact is None else []",
        RETOLD,
    ),
    Mutant(
        "states: what was taken for new is not written over an older one",
        "shared/mongo.py",
        "            await self.write_states(again)\n",
        "            return\n",
        ("tests/integration/test_store.py",),
    ),
    Mutant(
        "states: what is stored is taken for new for ever",
        BOOK,
        "            self._records[stream].is_stored = True\n",
        "",
        ("tests/component/test_book.py",),
    ),
    Mutant(
        "restore: what was adopted stays behind",
        ADOPT,
        '        await self.store.set_marks({book.number: {"adopted": book.head}})\n',
        "",
        RESTORE,
    ),
    Mutant(
        "restore: behind a gap a sequence is used again",
        STATE,
        "record.sequences[event.key] = envelope.sequence",
        "pass",
        RESTORE,
    ),
    Mutant(
        "restore: a wish is forgotten with the page that answered it",
        "shared/retelling.py",
        "self.origin.source_of(first), _merged",
        "None, _merged",
        RESTORE,
    ),
    Mutant(
        "restore: facts that contradict each other are taken back",
        ADOPT,
        "if mine.said.setdefault(at, fetched).value != fetched.value:",
        "if mine.said.setdefault(at, fetched) is None:",
        RESTORE,
    ),
    Mutant(
        "envelope: words are not quoted",
        "contracts/envelope.py",
        '"causationid":{quoted(cause)}',
        '"causationid":"{cause}"',
        ("tests/contract/test_envelope.py",),
    ),
    Mutant(
        "envelope: a moment keeps its own zone",
        "contracts/envelope.py",
        "to_json(time.astimezone(UTC))",
        "to_json(time)",
        ("tests/contract/test_envelope.py",),
    ),
    Mutant(
        "timer: nobody sees how far it is behind",
        TIMER,
        "max(0.0, -left)",
        "0.0",
        ("tests/component/test_timer.py",),
    ),
    Mutant(
        "an outlet that stops tells its look at the broker once",
        "shared/kafka.py",
        "await end([self._looking])",
        "self._looking.cancel(), await asyncio.gather(self._looking, return_exceptions=True)",
        ("tests/component/test_kafka.py",),
    ),
    Mutant(
        "relay: pages of a burst are said one by one",
        RELAY,
        "await asyncio.sleep(GATHERED)",
        "await asyncio.sleep(0)",
        ("tests/component/test_relay.py",),
    ),
    Mutant(
        "relay: a long way behind it waits between the pages",
        RELAY,
        "elif all(book.head - book.said < PAGES_AT_ONCE for book in self._books()):",
        "else:",
        ("tests/component/test_relay.py",),
    ),
]
