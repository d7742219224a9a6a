"""The commands that every service has: run, verify, adopt, rebuild, trace, replay."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Annotated, Any

import httpx
import typer
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import ValidationError

from contracts.envelope import Envelope
from contracts.topics import PARTITIONS, TOPICS
from shared.book import PROBE
from shared.heads import Adoption, Head, read_heads, standing
from shared.ledger import Fault, Page, verify
from shared.restore import Make, add_adopt
from shared.service import Plan, Service
from shared.settings import Settings
from shared.state import Record, Shape
from shared.store import Store


async def pages_of(store: Store, book: int) -> AsyncIterator[Page]:
    """Yield every page of a book, from the first one on."""
    first = 1
    while True:
        pages = await store.read_pages(book, range(first, first + PROBE))
        for page in pages:
            yield page
        if len(pages) < PROBE:
            return
        first += PROBE


async def verify_books(
    store: Store, books: int, heads: Mapping[int, Sequence[Head]]
) -> tuple[int, list[Fault]]:
    """Return how many pages were read and what is wrong with them."""
    faults: list[Fault] = []
    count = 0
    for book in range(books):
        pages = [page async for page in pages_of(store, book)]
        count += len(pages)
        faults += verify(book, pages, standing(pages, heads.get(book, ())))
    return count, faults


async def adoptions_of(store: Store, books: int) -> list[tuple[str, Adoption]]:
    """Return the first page of every restore that was adopted, and what it made void."""
    found: list[tuple[str, Adoption]] = []
    for book in range(books):
        before: Adoption | None = None
        async for page in pages_of(store, book):
            adoption = Adoption.of(page)
            if adoption is not None and adoption != before:
                found.append((page.id, adoption))
            before = adoption
    return found


async def rebuild_states(
    store: Store, books: int, shape: Shape[Any], *, write: bool
) -> tuple[int, list[str]]:
    """Fold every book from its first page; return how many states there are and which stored ones differ."""
    different: list[str] = []
    count = 0
    for book in range(books):
        records: dict[str, Record[Any]] = {}
        async for page in pages_of(store, book):
            for entry in page.entries:
                record = records.setdefault(entry.stream, shape.new(entry.stream))
                shape.fold(record, entry, page.number)
        count += len(records)
        stored = {document["_id"]: document for document in await store.load_states(list(records))}
        for stream, record in records.items():
            right = shape.to_document(record, book)
            there = stored.get(stream)
            if there is None or _comparable(there) != _comparable(right):
                different.append(stream)
                if write:
                    await store.mend_states([right])
    return count, different


def _comparable(value: Any) -> Any:
    """Return what two documents of one state must share, however the database wraps a sequence."""
    match value:
        case Mapping():
            return {key: _comparable(item) for key, item in value.items()}
        case list() | tuple():
            return [_comparable(item) for item in value]
        case _:
            return value


async def trace_story(address: str, story: str) -> list[Envelope]:
    """Return every published fact of a story, from all topics, in the order of their decision."""
    found: dict[str, Envelope] = {}
    consumer = AIOKafkaConsumer(
        bootstrap_servers=address, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, n) for topic in TOPICS for n in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        quiet = 0
        while quiet < 3:
            batches = await consumer.getmany(timeout_ms=500)
            fresh = False
            for record in (record for batch in batches.values() for record in batch):
                fresh = fresh or record.key is not None
                envelope = _envelope(record.value)
                if envelope is not None and envelope.correlationid == story:
                    found[f"{envelope.source}#{envelope.id}"] = envelope
            quiet = 0 if fresh else quiet + 1
    finally:
        await consumer.stop()
    return sorted(found.values(), key=lambda envelope: (envelope.time, envelope.subject, envelope.sequence))


def _envelope(value: bytes | None) -> Envelope | None:
    try:
        return Envelope.parse(value or b"")
    except ValidationError:
        return None


def program(name: str, settings: type[Settings], build: Callable[[Service[Any]], Plan[Any]]) -> typer.Typer:
    """Return a service's command line; without a command it runs the service."""
    app = typer.Typer(help=f"Zeren · {name}", no_args_is_help=False, pretty_exceptions_enable=False)

    def make() -> tuple[Service[Any], Plan[Any]]:
        service: Service[Any] = Service(settings(), name)
        return service, build(service)

    @app.callback(invoke_without_command=True)
    def default(context: typer.Context) -> None:
        """Run the service / 运行服务."""
        if context.invoked_subcommand is None:
            uvloop.run(_run(make))

    _add_checks(app, make)
    add_adopt(app, make)
    _add_remedies(app, settings)
    return app


async def _run(make: Make) -> None:
    service, plan = make()
    await service.run(plan)


async def _verify(make: Make) -> tuple[int, list[Fault], list[tuple[str, Adoption]]]:
    service, plan = make()
    count, faults = await verify_books(service.store, plan.books, read_heads(service.settings.heads))
    return count, faults, await adoptions_of(service.store, plan.books)


async def _rebuild(make: Make, *, write: bool) -> tuple[int, list[str]]:
    service, plan = make()
    return await rebuild_states(service.store, plan.books, plan.decider.shape, write=write)


def _add_checks(app: typer.Typer, make: Make) -> None:
    @app.command("verify")
    def check_books() -> None:
        """Check the chain of every book against itself and the published heads / 校验账本."""
        count, faults, adoptions = asyncio.run(_verify(make))
        for page, adoption in adoptions:
            typer.echo(f"page {page} goes on from a restore / 自此页起为恢复后续写: {adoption.who}")
            typer.echo(f"  void before it, up to page / 此前作废，至第 {adoption.until} 页")
        for fault in faults:
            typer.echo(f"page {fault.page} {fault.problem}", err=True)
        typer.echo(f"{count} pages, {len(faults)} faults / {count} 页，{len(faults)} 处错误")
        raise typer.Exit(1 if faults else 0)

    @app.command()
    def rebuild(
        *, write: Annotated[bool, typer.Option(help="write what differs / 写入差异")] = False
    ) -> None:
        """Fold every book from its first page and compare with the stored states / 重建状态."""
        count, different = asyncio.run(_rebuild(make, write=write))
        for stream in different:
            typer.echo(f"differs: {stream}", err=True)
        typer.echo(f"{count} states, {len(different)} differ / {count} 个状态，{len(different)} 个不一致")
        raise typer.Exit(1 if different and not write else 0)


def _add_remedies(app: typer.Typer, settings: type[Settings]) -> None:
    @app.command()
    def trace(story: str) -> None:
        """Print every fact of a story and what caused it / 倒查."""
        for envelope in asyncio.run(trace_story(settings().kafka_address, story)):
            when = envelope.time.isoformat(timespec="seconds")
            typer.echo(f"{when}  {envelope.id}  {envelope.type}  <- {envelope.causationid}")

    @app.command()
    def replay(
        stream: str,
        *,
        token: Annotated[str, typer.Option(envvar="ZEREN_TOKEN", help="an operator's token / 运维令牌")],
        address: Annotated[str, typer.Option(help="host:port / 服务地址")] = "127.0.0.1:8000",
    ) -> None:
        """Apply the dead letters of a stream again, in the running service / 重放死信."""
        answer = httpx.post(
            f"http://{address}/v1/dead-letters/{stream}/replay",
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        )
        typer.echo(answer.text)
        raise typer.Exit(0 if answer.is_success else 1)
