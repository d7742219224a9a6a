"""When the hurried clock may move on, with several replicas of a service."""

from typing import Any

from deploy.embedded.hurry import is_settled

TARGET = 1_000


def told(source: str, books: range, *, of: int = 12, decided_at: int = 900, **more: Any) -> dict[str, Any]:
    """Return what a replica tells that has said and heard everything."""
    rest = {"said": TARGET + 1, "heard": {}}
    return {"source": source, "books": list(books), "of": of, "decided_at": decided_at, **rest, **more}


def test_replicas_have_settled_once_each_book_is_spoken_for() -> None:
    one, other = told("a", range(5)), told("a", range(5, 12))

    assert is_settled([one, other], TARGET)
    assert not is_settled([one], TARGET)
    assert not is_settled([one, told("a", range(6, 12))], TARGET)


def test_who_hears_a_service_waits_for_what_any_of_its_replicas_decided() -> None:
    newer = told("a", range(5), decided_at=TARGET + 50, said=TARGET + 60)
    older = told("a", range(5, 12), said=TARGET + 60)

    for replicas in ([newer, older], [older, newer]):
        assert not is_settled([*replicas, told("b", range(12), heard={"a": TARGET + 50})], TARGET)
        assert is_settled([*replicas, told("b", range(12), heard={"a": TARGET + 51})], TARGET)
