"""What an operator sees: a bar on a terminal, plain lines elsewhere."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from deploy.importing.position import Position
from deploy.importing.spool import Fault
from shared.clock import monotonic

LINE_EVERY = timedelta(seconds=5)
SHOWN = 100
"""So many errors are printed in full."""
COUNTS = (
    ("added", "units added", "新增单位"),
    ("posts", "posts added", "新增职务"),
    ("renames", "units renamed", "更名单位"),
    ("moves", "units moved", "调整隶属单位"),
    ("changes", "changes in all", "变更合计"),
    ("unchanged", "rows unchanged", "无变化的行"),
)


class View:
    """Shows how far it is, and what came of it."""

    def __init__(self, console: Console) -> None:
        """Show on *console*; nothing is drawn before ``begin``."""
        self._console = console
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._began = self._told = monotonic()
        self._first = self._total = 0

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, done: int, total: int) -> None:
        """Begin to count, at *done* rows of a *total*."""
        self._began, self._first, self._total = monotonic(), done, total
        self._told = self._began - LINE_EVERY.total_seconds()
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("rows 行"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]} rows/s 行/秒"),
                TextColumn("left 剩余"),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._task = self._bar.add_task("", total=total, completed=done, rate="-")
            self._bar.start()

    def show(self, done: int) -> None:
        """Show that so many rows are done."""
        now = monotonic()
        rate = (done - self._first) / max(now - self._began, 0.001)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, rate=f"{rate:,.0f}")
        elif now - self._told >= LINE_EVERY.total_seconds() or done == self._total:
            self._told = now
            left = timedelta(seconds=round((self._total - done) / rate)) if rate else "-"
            self.say(
                f"{done:,}/{self._total:,} rows 行  {done / max(self._total, 1):.1%}  "
                f"{rate:,.0f} rows/s 行/秒  left 剩余 {left}"
            )

    def faults(self, faults: Iterable[Fault], more: int = 0) -> int:
        """Print what is wrong by file, line and field; return how much it is."""
        count = more
        for fault in faults:
            count += 1
            if count - more <= SHOWN:
                error = fault.error
                place = ":".join(filter(None, (fault.file, str(error.line), error.field)))
                self.say(f"{place}  {error.reason} {error.reason_zh} [{error.word}]")
        return count

    def sum_up(self, position: Position, *, dry_run: bool) -> None:
        """Print what has changed, or would change, and how long it took."""
        if self._bar is not None:
            self._bar.stop()
        if dry_run:
            self.say("nothing was changed; this is what would be / 未作任何更改，以下为预览")
        for name, english, chinese in COUNTS:
            count = position.counts.get(name, 0)
            if count:
                self.say(f"{count:>12,}  {english} · {chinese}")
        rate = position.confirmed / max(position.seconds, 0.001)
        self.say(
            f"{position.confirmed:>12,}  rows in {position.seconds:,.1f} s, {rate:,.0f} rows/s"
            f" · 行，用时 {position.seconds:,.1f} 秒，每秒 {rate:,.0f} 行"
        )
