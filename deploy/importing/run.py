"""One run of the command: read, go on where it ended, send part by part, sum up."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx

from deploy.importing.position import Position
from deploy.importing.sender import FailedError, RefusedError, Sender
from deploy.importing.sources import UNITS, Kind, digest, read
from deploy.importing.spool import Spool
from deploy.importing.view import View
from services.directory.entrypoints.files import BadFileError
from shared.clock import monotonic

DONE, WRONG_ROWS, BAD_FILE, FAILED, STOPPED = 0, 1, 2, 3, 130
"""How it ends: all of it is done; rows are wrong; no such file; no answer; told to stop."""
Connect = Callable[[str], httpx.Client]
"""Returns a client whose token reaches the subtree of a unit."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to import, and how."""

    path: Path
    kind: Kind = UNITS
    part: int = 2000
    """So many rows are sent at once."""
    dry_run: bool = False
    fresh: bool = False
    """Do not go on where an earlier run ended."""
    patience: timedelta = timedelta(minutes=5)
    """How long a directory may be away."""

    @property
    def place(self) -> Path:
        """Return where the position is kept: beside the file."""
        return self.path.with_name(f"{self.path.name}.import.json")


def import_file(options: Options, connect: Connect, view: View) -> int:
    """Import a file and say what came of it; return the exit status."""
    try:
        with closing(Spool(options.kind)) as spool:
            return _import(options, spool, connect, view)
    except BadFileError as error:
        view.say(f"{options.path.name}  {error.reason} {error.reason_zh} [{error.word}]")
        return BAD_FILE
    except FailedError as error:
        view.say(f"not done: {error}; run again to go on / 未完成，重新运行将从中断处继续")
        return FAILED
    except KeyboardInterrupt:
        view.say("stopped; run again to go on / 已停止，重新运行将从中断处继续")
        return STOPPED


def _import(options: Options, spool: Spool, connect: Connect, view: View) -> int:
    view.say(f"reading {options.path.name} / 正在读取")
    faults = spool.fill(read(options.path, options.kind))
    if faults:
        view.faults(faults)
        return WRONG_ROWS
    if not spool.count:
        view.say("no rows / 无数据行")
        return DONE
    first = spool.row(1)
    with connect(first.above or first.key) as http:
        position = Position(digest(options.path), str(http.base_url), options.kind.name)
        sender = Sender(http, options.patience)
        if not options.dry_run and not options.fresh:
            position = _resumed(options.place, position, spool, sender, view)
        return _send(options, spool, sender, position, view)


def _resumed(place: Path, fresh: Position, spool: Spool, sender: Sender, view: View) -> Position:
    """Return where an earlier run ended, unless the directory has forgotten what it confirmed."""
    position = Position.load(place, fresh)
    if not position.confirmed:
        return fresh
    unit = spool.row(position.confirmed).key.partition("/")[0]
    if not sender.knows(unit):
        view.say("the directory has forgotten it: from the beginning / 目录中已无此前导入的数据，从头开始")
        return fresh
    rows = f"{position.confirmed:,}"
    view.say(f"going on after {rows} rows / 从第 {rows} 行之后继续")
    return position


def _send(options: Options, spool: Spool, sender: Sender, position: Position, view: View) -> int:
    """Send every part that is not confirmed yet."""
    wrong = 0
    view.begin(position.confirmed, spool.count)
    for part in spool.parts(position.confirmed, options.part):
        began = monotonic()
        try:
            answer = sender.send(spool, part, dry_run=options.dry_run)
        except RefusedError as refused:
            wrong += view.faults(refused.faults, refused.more)
            if not options.dry_run:
                rows = f"{position.confirmed:,}"
                view.say(
                    f"stopped after {rows} rows: mend and run again / 已在 {rows} 行后停止：请改正后重新运行"
                )
                return WRONG_ROWS
            answer = {}
        position.add(len(part), monotonic() - began, answer)
        if not options.dry_run:
            position.save(options.place)
        view.show(position.confirmed)
    if not options.dry_run:
        options.place.unlink(missing_ok=True)
    view.sum_up(position, dry_run=options.dry_run)
    return WRONG_ROWS if wrong else DONE
