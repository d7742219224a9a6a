"""How far an import has come, in a small file beside the imported one."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self


@dataclass(slots=True)
class Position:
    """What was confirmed of a file by a directory."""

    digest: str
    address: str
    kind: str
    confirmed: int = 0
    """So many rows, in the order in which they are sent."""
    seconds: float = 0.0
    """Spent on them, the pauses between runs left out."""
    counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path, fresh: Self) -> Self:
        """Return what the file at *path* says of the same import, else the *fresh* one."""
        try:
            found = cls(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return fresh
        is_same = (found.digest, found.address, found.kind) == (fresh.digest, fresh.address, fresh.kind)
        return found if is_same else fresh

    def save(self, path: Path) -> None:
        """Write it down in one step."""
        draft = path.with_name(f"{path.name}.new")
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n", "utf-8")
        draft.replace(path)

    def add(self, rows: int, seconds: float, answer: dict[str, object]) -> None:
        """Take in that so many rows were confirmed."""
        self.confirmed += rows
        self.seconds += seconds
        for name, count in answer.items():
            if isinstance(count, int):
                self.counts[name] = self.counts.get(name, 0) + count
