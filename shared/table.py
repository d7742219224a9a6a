"""The replica's own table of the directory, read from its topic: all partitions, no group, no ledger."""

from collections.abc import Callable, Mapping, Sequence

import structlog

from contracts.envelope import Fact, Said
from contracts.topics import PARTITIONS, TOPICS
from contracts.tree import Tree
from shared import metrics
from shared.consumer import Heard, UnreadableError, read
from shared.state import Inbound

TOPIC = "directory"
SOURCE = f"/zeren/{TOPICS[TOPIC].producers[0]}"

log = structlog.get_logger()


class DirectoryTable:
    """Takes the facts of the directory into a tree; what it cannot read is counted and passed over."""

    def __init__(
        self, tree: Tree, heard: Heard, facts: Mapping[str, type[Fact]], on_heard: Callable[[], None]
    ) -> None:
        """Fill *tree*; *on_heard* is called when the directory was heard further than before."""
        self._tree = tree
        self._filling = tree
        self._heard = heard
        self._facts = facts
        self._on_heard = on_heard
        self._read: set[int] = set()
        self.is_known = False
        """Whether the tree was whole once; while another broker's data are read it stays as it was."""

    def begin(self) -> None:
        """Read another broker's data from its beginning; the tree stays as it is until all is read.

        A fact that was passed over could not be taken in later: the tree would know a newer one.
        """
        self._filling = Tree()
        self._read.clear()

    async def apply(self, records: Sequence[Inbound]) -> dict[tuple[str, int], int]:
        """Take records in and return the offsets behind them."""
        before = self._heard.through_all(TOPIC, PARTITIONS, SOURCE)
        saids: list[tuple[Inbound, Said]] = []
        for record in records:
            said = self._take(record)
            if said is not None:
                saids.append((record, said))
        for record, said in saids:
            self._heard.note(record.topic, record.partition, said)
        self._show()
        if self._heard.through_all(TOPIC, PARTITIONS, SOURCE) != before:
            self._on_heard()
        return {(record.topic, record.partition): record.offset + 1 for record in records}

    def _take(self, record: Inbound) -> Said | None:
        """Let one record change the tree; return it if it is a Said."""
        try:
            found = read(record, self._facts, PARTITIONS)
        except UnreadableError as error:
            log.warning("directory_fact_unreadable", offset=record.offset, reason=str(error))
            metrics.RECORDS.labels(record.topic, "unreadable", "ignored").inc()
            return None
        if found is None:
            metrics.RECORDS.labels(record.topic, "unknown", "ignored").inc()
            return None
        envelope, fact = found
        if isinstance(fact, Said):
            return fact
        self._filling.apply(fact, envelope.sequence)
        metrics.RECORDS.labels(record.topic, envelope.type, "applied").inc()
        return None

    def note_read(self, partition: int) -> None:
        """Learn that a partition was read to where it ended when this process began to read it."""
        self._read.add(partition)
        self._show()

    def _show(self) -> None:
        """Show what was read, once that is all."""
        if not self.is_read:
            return
        self.is_known = True
        if self._filling is not self._tree:
            self._tree.become(self._filling)
            self._filling = self._tree

    @property
    def is_read(self) -> bool:
        """Tell whether what lay on the topic when it was begun to be read is in the tree.

        A Said does not tell: the first one that is read may be as old as the topic.
        """
        has_said = self._heard.through_all(TOPIC, PARTITIONS, SOURCE) is not None
        return has_said and len(self._read) == PARTITIONS
