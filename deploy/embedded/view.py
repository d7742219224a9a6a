"""What a person sees while the story runs: the year, what is due, the ladder, the rates, the system."""

import asyncio
from contextlib import suppress
from datetime import datetime

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deploy.embedded.board import Board
from deploy.embedded.parameters import ZONE
from deploy.embedded.story import Story
from deploy.embedded.texts import Texts
from shared.clock import MICROSECOND

WIDTH = 78
"""What is drawn fits into a terminal of 80 columns."""
HALF = 38
BAR = 20
SHORT = 10
MONTH = 3
SHOWN = 2
TOP = 4
"""Levels between a village and its province."""
ACTS = ("proposed", "confirmed", "dismissed", "found", "submitted", "returned", "verified")


class View:
    """A live picture on a terminal, a line for each month elsewhere."""

    def __init__(self, console: Console, texts: Texts) -> None:
        """Draw on *console* in the language of *texts*."""
        self.console = console
        self._say = texts
        self._board = Board()
        self._story: Story | None = None
        self._live: Live | None = None
        self._month = ""
        self._asking: asyncio.Task[None] | None = None

    def tell(self, key: str, **values: object) -> None:
        """Print a line that stays."""
        self.console.print(self._say(key, **values), highlight=False)

    def show(self, story: Story) -> None:
        """Show where the story is; outside a terminal once a month."""
        month = story.now.astimezone(ZONE).strftime("%Y-%m")
        if self._live is None and month != self._month:
            self._month = month
            self.console.print(self._line(story), highlight=False, soft_wrap=True)

    async def watch(self, story: Story) -> None:
        """Begin to ask the services, and to draw if there is a terminal."""
        self._story = story
        self._asking = asyncio.create_task(self._board.keep_asking(story))
        if self.console.is_terminal:
            self._live = Live(
                console=self.console, get_renderable=self._picture, refresh_per_second=4, transient=False
            )
            self._live.start()

    async def end(self) -> None:
        """Stop asking and leave the last picture on the screen."""
        if self._asking is not None:
            self._asking.cancel()
            with suppress(asyncio.CancelledError):
                await self._asking
        if self._live is not None:
            self._live.stop()

    def _picture(self) -> RenderableType:
        return Text() if self._story is None else draw(self._story, self._board, self._say)

    def _line(self, story: Story) -> str:
        tally, say = story.tally, self._say
        counts = {
            "filed": len(tally.filings),
            "lessons": len(tally.lessons),
            "told": tally.notices,
            "noted": tally.acknowledged,
            "proposed": tally.inspections["proposed"],
        }
        return f"{self._month}  " + "  ".join(f"{say(key)} {count}" for key, count in counts.items())


def draw(story: Story, board: Board, say: Texts) -> RenderableType:
    """Return the picture of a moment."""
    if not story.tally.reports:
        return Group(_title(story, say), _beginning(story, board, say))
    parts = (
        _title(story, say),
        _months(story),
        _duties(board, say),
        _people(story, say),
        _side_by_side(_ladder(story, say), _rates(board, say)),
        _lost(story, board, say),
        _inspection(story, say),
        _happened(story, say),
        _system(story, board, say),
    )
    return Group(*parts)


def _title(story: Story, say: Texts) -> Text:
    when = story.now.astimezone(ZONE).strftime("%Y-%m-%d %H:%M")
    words = fit(f"Zeren 责任 · {say('title')}", WIDTH - len(when) - 1)
    return Text.assemble((words, "bold"), " ", (when, "bold cyan"))


def _beginning(story: Story, board: Board, say: Texts) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    for key, done, whole in (
        ("importing", story.imported, len(story.rows)),
        ("opening", min(board.opened, story.duties), story.duties),
    ):
        table.add_row(say(key), bar(done, whole, 2 * BAR), f"{done}/{whole}")
    return table


def _months(story: Story) -> Text:
    """Return the year as twelve months, filled as far as it has come."""
    now = story.now.astimezone(ZONE)
    text = Text()
    for month in range(1, 13):
        begins = datetime(story.parameters.year, month, 1, tzinfo=ZONE)
        passed = min(MONTH, max(0, (now - begins).days * MONTH // 30))
        text.append(f" {month:>2}", "bold" if now.month == month and now >= begins else "dim")
        text.append("━" * passed, "cyan")
        text.append("─" * (MONTH - passed), "dim")
    return text


def _duties(board: Board, say: Texts) -> RenderableType:
    rates = [level["rate"] for level in board.levels]
    due, on_time, late = (sum(rate[key] for rate in rates) for key in ("due", "on_time", "late"))
    table = Table.grid(padding=(0, 1))
    table.add_row(
        Text(say("duties"), "bold"),
        f"{say('due')} {due}",
        bar(on_time, due, BAR),
        f"{say('on_time')} {on_time}  {say('late')} {late}  {say('missing')} {due - on_time - late}",
    )
    return table


def _people(story: Story, say: Texts) -> RenderableType:
    tally = story.tally
    done = f"{say('filed')} {len(tally.filings)}  {say('lessons')} {len(tally.lessons)}"
    notes = f"{say('told')} {tally.notices}  {say('noted')} {tally.acknowledged}"
    lines = [Text(fit(f"{say('people')}  {done}  {notes}", WIDTH))]
    coming = min((moment for moment in tally.due if moment > story.now), default=None)
    if coming is not None:
        lines.append(Text(say("next_due", day=_last_day(coming), n=tally.due[coming])))
    return Group(*lines)


def _last_day(due_at: datetime) -> str:
    """Return the last day on which a duty is in time: that of 24:00 is the one that ends."""
    return f"{(due_at - MICROSECOND).astimezone(ZONE):%m-%d}"


def _side_by_side(left: RenderableType, right: RenderableType) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=HALF)
    table.add_row(left, right)
    return table


def _ladder(story: Story, say: Texts) -> RenderableType:
    """Return how many posts were told on each level, the highest on top."""
    levels = story.tally.levels
    most = max(levels.values(), default=0)
    table = Table.grid(padding=(0, 1))
    for level in range(TOP, -1, -1):
        name = say("levels_up", n=level) if level else say("same_unit")
        table.add_row(f"  {name}", bar(levels[level], most, SHORT, "red"), f"{levels[level]}")
    return Group(Text(say("ladder"), "bold"), table)


def _rates(board: Board, say: Texts) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    for item in board.levels:
        rate, name = item["rate"], "/".join(say(level) for level in item["levels"])
        part = f"{rate['on_time']}/{rate['due']}" if rate["due"] else say("no_data")
        share = f"{100 * rate['on_time'] // rate['due']} %" if rate["due"] else ""
        table.add_row(name, bar(rate["on_time"], rate["due"], SHORT, "green"), share, part)
    return Group(Text(say("rates"), "bold"), table)


def _lost(story: Story, board: Board, say: Texts) -> RenderableType:
    lost = [edge for edge in board.lost if edge["unit"] in story.names][:SHOWN]
    lines = [
        f"  {say('lost')}: {story.names[edge['unit']]} {edge['upper']['heat']['text']}"
        f" → {edge['lower']['heat']['text']}"
        for edge in lost
    ]
    return Group(*(Text(fit(line, WIDTH), "yellow") for line in lines))


def _inspection(story: Story, say: Texts) -> RenderableType:
    counts = story.tally.inspections
    words = "  ".join(f"{say(act)} {counts[act]}" for act in ACTS if counts[act] or act in ACTS[:1])
    lines = [Text.assemble((say("inspection"), "bold"), "  ", words, no_wrap=True, overflow="ellipsis")]
    proposal = story.tally.proposal
    if proposal is not None:
        unit = unit_name(story, proposal["unit"])
        lines.append(Text(fit("  " + say("newest_proposal", unit=unit, n=len(proposal["evidence"])), WIDTH)))
    return Group(*lines)


def _happened(story: Story, say: Texts) -> RenderableType:
    lines = [Text(say("happened"), "bold")]
    for notice in list(story.tally.newest)[-SHOWN:]:
        unit, _, role = notice["post"].rpartition("/")
        post = f"{unit_name(story, unit)} {say(role)}"
        duty = say(what_of(notice["duty"]))
        words = say("line_told", unit=unit_name(story, notice["unit"]), duty=duty, post=post)
        when = datetime.fromisoformat(notice["planned_at"]).astimezone(ZONE).strftime("%m-%d")
        lines.append(Text(fit(f"  {when} {words}", WIDTH)))
    return Group(*lines)


def _system(story: Story, board: Board, say: Texts) -> Text:
    p50, p99 = board.percentile(0.5), board.percentile(0.99)
    late = "" if p50 is None else say("lateness", p50=f"≤ {p50:g}", p99=f"≤ {p99:g}") + "  "
    restarts = sum(story.stack.restarts.values())
    jumps = f"{say('jumps')} {story.clock.jumps}  {say('restarts')} {restarts}"
    return Text.assemble((say("system"), "bold"), "  ", late, jumps, no_wrap=True, overflow="ellipsis")


def unit_name(story: Story, code: str) -> str:
    """Return what a unit's territory is called; a discipline committee is marked so."""
    name = story.names.get(code.removesuffix("-dc"), code)
    return f"{name}纪委" if code.endswith("-dc") else name


def what_of(duty: str) -> str:
    """Return what kind of duty an id names: the row of a report, or the first word of others."""
    if duty.startswith(("rectification.", "verification.")):
        return duty.partition(".")[0]
    row = duty.split(".")[1] if duty.count(".") > 1 else duty
    return row if not row[:1].isdigit() else "lesson"


def bar(part: float, whole: float, width: int, style: str = "cyan") -> Text:
    """Return a bar of so many cells, filled in proportion."""
    filled = round(width * part / whole) if whole else 0
    return Text.assemble(("█" * filled, style), ("░" * (width - filled), "dim"))


def fit(words: str, width: int) -> str:
    """Return words in exactly so many cells: a Chinese character takes two."""
    return set_cell_size(words, width) if cell_len(words) != width else words
