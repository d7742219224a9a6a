"""Say in words what changed between two versions of a schema, and whether readers can live with it.

Within a major version a contract may only grow: *adding an optional field* and wording are allowed.
Everything else is a new type. ``python -m contracts.compatibility`` compares ``schemas/`` with ``released/``.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CURRENT = HERE / "schemas"
RELEASED = HERE / "released"

ANY_ORDER = "Roll-out: additive; consumers first, or in any order."
NEW_MAJOR = "Roll-out: new major; the producer says both, consumers move, the producer stops the old one."
REFUSED = "Roll-out: none; leave the released type as it is and make a new one (…v2)."

Schema = dict[str, Any]
_WORDS = {"$id", "$schema", "$defs", "title", "description"}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: where, what, and whether it may happen within a major version."""

    where: str
    what: str
    allowed: bool = False

    @property
    def line(self) -> str:
        """Return the change as a line for a person."""
        return f"{'ok     ' if self.allowed else 'REFUSED'} {self.where}: {self.what}"


def compare(old: Schema, new: Schema, name: str = "data") -> list[Change]:
    """Return every change between two schemas of one type; an empty list if they mean the same."""
    return list(_changes(_inlined(old, old), _inlined(new, new), name))


def _inlined(node: Any, root: Schema) -> Any:
    """Return a schema with each reference into its own definitions replaced by what it names."""
    if isinstance(node, list):
        return [_inlined(item, root) for item in node]
    if not isinstance(node, dict):
        return node
    target = root["$defs"][node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else {}
    whole = {**target, **node}
    return {key: _inlined(value, root) for key, value in whole.items() if key not in {"$ref", "$defs"}}


def _changes(old: Schema, new: Schema, where: str) -> Iterator[Change]:
    if old.get("description") != new.get("description"):
        yield Change(where, "is described in other words", allowed=True)
    yield from _fields(old, new, where)
    for key in sorted((old.keys() | new.keys()) - _WORDS - {"properties", "required"}):
        before, after = old.get(key), new.get(key)
        if key in {"items", "anyOf"} and _parts(before) and len(_parts(before)) == len(_parts(after)):
            for one, other in zip(_parts(before), _parts(after), strict=True):
                yield from _changes(one, other, f"{where}[]" if key == "items" else where)
        elif key == "enum" and before is not None and after is not None:
            yield from _values(before, after, where)
        elif before != after:
            yield Change(where, f"{key} was {_shown(before)} and is {_shown(after)}")


def _fields(old: Schema, new: Schema, where: str) -> Iterator[Change]:
    before, after = old.get("properties", {}), new.get("properties", {})
    was, now = set(old.get("required", ())), set(new.get("required", ()))
    for name in before.keys() - after.keys():
        yield Change(f"{where}.{name}", "is gone (a renamed field is a lost and a new one)")
    for name in after.keys() - before.keys():
        yield Change(
            f"{where}.{name}",
            "is a new required field" if name in now else "is a new optional field",
            name not in now,
        )
    for name in before.keys() & after.keys():
        if (name in was) != (name in now):
            yield Change(
                f"{where}.{name}",
                "was required and is optional" if name in was else "was optional and is required",
            )
        yield from _changes(before[name], after[name], f"{where}.{name}")


def _values(before: list[Any], after: list[Any], where: str) -> Iterator[Change]:
    for value in before:
        if value not in after:
            yield Change(where, f"the enumeration has lost {_shown(value)}")
    for value in after:
        if value not in before:
            yield Change(where, f"the enumeration has gained {_shown(value)}, which readers do not know")


def _parts(value: Any) -> list[Schema]:
    return [value] if isinstance(value, dict) else value if isinstance(value, list) else []


def _shown(value: Any) -> str:
    return "absent" if value is None else json.dumps(value, ensure_ascii=False)


def _read(folder: Path) -> dict[str, Schema]:
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}


def screen(released: Path = RELEASED, current: Path = CURRENT) -> list[Change]:
    """Return every change from the released schemas to the current ones, a lost or new type included."""
    old, new = _read(released), _read(current)
    changes = [Change(name, "is gone, but somebody reads it") for name in sorted(old.keys() - new.keys())]
    changes += [Change(name, "is a new type", allowed=True) for name in sorted(new.keys() - old.keys())]
    for name in sorted(old.keys() & new.keys()):
        changes += compare(old[name], new[name], name)
    return changes


def rollout(changes: list[Change]) -> str:
    """Return in which order producers and consumers move."""
    if not all(change.allowed for change in changes):
        return REFUSED
    is_major = any(change.what == "is a new type" and _major(change.where) > 1 for change in changes)
    return NEW_MAJOR if is_major else ANY_ORDER


def _major(name: str) -> int:
    return int(name.rsplit(".v", 1)[1]) if ".v" in name else 1


def main() -> int:
    """Print what changed since the release and the order of the roll-out; 1 if it may not happen."""
    changes = screen()
    for line in (
        [*(change.line for change in changes), rollout(changes)] if changes else ["Nothing has changed."]
    ):
        sys.stdout.write(line + "\n")
    return int(not all(change.allowed for change in changes))


if __name__ == "__main__":
    raise SystemExit(main())
