"""The planted faults, at least one for each promise of the kit, and some for each service's rules."""

from typing import NamedTuple

BOOK, RELAY, CONSUMER, LEDGER = "shared/book.py", "shared/relay.py", "shared/consumer.py", "shared/ledger.py"
STATE, MEMORY, TIMER = "shared/state.py", "shared/testing/memory.py", "shared/timer.py"

KIT = tuple(f"tests/component/test_{name}.py" for name in ("book", "consumer", "ledger", "model"))
"""The tests that must catch a fault of the kit."""


class Mutant(NamedTuple):
    """One fault: what to replace where, and what it breaks."""

    name: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...] = KIT


MUTANTS = [
    # Ledger: one insert is lock, fence, outbox and audit trail.
    Mutant(
        "no fence page at take-over",
        BOOK,
        "self._settle(await self._append([], self._clock.now()), ())",
        "pass",
    ),
    Mutant(
        "moments from before the fence are kept", BOOK, "(request, max(at, self._since))", "(request, at)"
    ),
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
    Mutant("a page of any length", BOOK, "len(outcomes) + MAX_ENTRIES", "len(outcomes) + 10**9"),
    Mutant("a page of any size", BOOK, "if size + weight > MAX_PAGE_BYTES and entries:", "if False:"),
    Mutant(
        "callers never share a page",
        BOOK,
        "self._writing, self._waiting = self._waiting, []",
        "self._writing, self._waiting = [ticket], [one for one in self._waiting if one is not ticket]",
    ),
    Mutant("digest does not cover events", LEDGER, "        h.update(event.value)", "        pass"),
    Mutant(
        "digest does not cover what was heard",
        LEDGER,
        "(stream, version, cause, correlation, source)",
        "(stream, version, cause, correlation)",
    ),
    Mutant("a page's hash does not cover its entries", LEDGER, "        h.update(one)", "        pass"),
    Mutant("a cut tail is not found", LEDGER, "if heads and max(heads) > number:", "if False:"),
    Mutant(
        "a forged head is not found",
        LEDGER,
        "if heads.get(page.number, page.hash) != page.hash:",
        "if False:",
    ),
    Mutant(
        "an entry without salt is never looked at",
        LEDGER,
        "return not any(event.value for event in entry.events)",
        "return True",
    ),
    # Decisions on the newest state only.
    Mutant("a lost page number folds nothing", BOOK, "if record.version < entry.version:", "if False:"),
    Mutant("what is folded is folded again", BOOK, "if record.version < entry.version:", "if True:"),
    Mutant(
        "refused without reading the head",
        BOOK,
        "elif await self._store.read_pages(self.number, [self.head + 1]):",
        "elif False:",
    ),
    Mutant(
        "decided on the state itself, not on a draft",
        BOOK,
        "record = (drafts.get(request.stream) or self._records[request.stream]).draft()",
        "record = drafts.get(request.stream) or self._records[request.stream]",
    ),
    Mutant(
        "half of a decision is kept",
        BOOK,
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
        "            head, streams = self.head, list(self._unwritten)\n",
        "            head, streams = self.head, list(self._unwritten)\n"
        '            await self._store.set_marks(self.number, {"applied": head})\n',
    ),
    Mutant(
        "applied is marked for pages that came meanwhile",
        BOOK,
        'await self._store.set_marks(self.number, {"applied": head})',
        'await self._store.set_marks(self.number, {"applied": self.head})',
    ),
    Mutant(
        "a state that moved meanwhile counts as written",
        BOOK,
        "if self._records[stream].page == page:",
        "if True:",
    ),
    Mutant(
        "an unwritten state is let go of",
        BOOK,
        "[s for s in self._records if s not in self._unwritten]",
        "[s for s in self._records]",
    ),
    Mutant("the appender never waits", BOOK, "if self.head - self.applied > self._distance:", "if False:"),
    Mutant(
        "seen is not stored",
        STATE,
        '"seen": [(subject, seen.last, seen.missing) for subject, seen in record.seen.items()]',
        '"seen": []',
    ),
    # Nothing is a decision too; once is once.
    Mutant("seen is not looked at", BOOK, "        if known is not None:", "        if False:"),
    Mutant("nothing is not remembered", BOOK, "if not (events or source):", "if not events:"),
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
        "a page is passed over", RELAY, "first, last = book.said + 1, min", "first, last = book.said + 2, min"
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
        since = [book.undecided_since() or start for book in books]
        overtaken = await self._store.taken({book.number: book.head + 1 for book in books})
        quiet = [
            n
            for n, book in enumerate(books)
            if book.is_open
""",
        """]
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
        "if key and partition_of(key, self._partitions) == record.partition:",
        "if key:",
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
        BOOK,
        "        if record.parked:\n            return self._park(",
        "        if False:\n            return self._park(",
    ),
    Mutant(
        "a parked stream is decided on", BOOK, "if record.parked and request.record is None:", "if False:"
    ),
    Mutant(
        "a parked stream still wakes",
        STATE,
        "wake_at = None if record.parked else self.wake_at(record.body)",
        "wake_at = self.wake_at(record.body)",
    ),
    Mutant(
        "parking is applying",
        BOOK,
        "return _Decision(Outcome(result, (letter,), state=record.body), [*events, said])",
        "return _Decision(Outcome(result, (letter,), state=record.body), [*events, said], request.source)",
    ),
    Mutant(
        "a dead letter may be parked twice",
        BOOK,
        "    if source in letters:",
        "    if False:",
    ),
    Mutant(
        "a replayed letter is not remembered",
        BOOK,
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
    Mutant("woken early", BOOK, "self.wakes[0][0] <= micros:", "self.wakes[0][0] <= micros + 500:"),
    Mutant("a failed waking is forgotten", TIMER, "held.update(dict.fromkeys(streams, 0.0))", "pass"),
    Mutant(
        "a crowd hides who comes after it",
        BOOK,
        "        await self.flush()\n        self._wakes_until",
        "        self._wakes_until",
    ),
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
        "[_missed(opened)] if watch.status is Status.WATCHING else []",
        "[_missed(opened)]",
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
        "top = next(k for k in count(first) if not called(k) or at(k + 1) > now)",
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
        "return [s for s in streams if s in waiting or s in failed]",
        "return [s for s in streams if s in failed]",
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
        "tree.apply(FACTS[envelope.type].model_validate(envelope.data), envelope.sequence)",
        "tree.apply(FACTS[envelope.type].model_validate(envelope.data), 1)",
    ),
    _edge(
        "directory",
        "entrypoints/http",
        "every unit is seen by everybody",
        "if code not in tree.units or not tree.is_within(code, caller.unit):",
        "if code not in tree.units:",
    ),
]
