"""The commands that every service has: run, verify, adopt, rebuild, trace, replay, erase, say-again."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import httpx
import typer
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import ValidationError

from contracts.envelope import Envelope
from contracts.personal import is_identifier
from contracts.topics import PARTITIONS, TOPICS
from shared.again import take_back, writers
from shared.clock import real_now
from shared.cluster import Broker, reached
from shared.erasing import BookHeldError, Ground, UnknownStreamError, Wish, book_of, erase, held
from shared.erasure import Found
from shared.heads import Adoption, Head, read_heads, standing
from shared.ledger import Fault, verify
from shared.reading import pages_of
from shared.restore import Make, add_adopt
from shared.service import Plan, Service
from shared.settings import Settings
from shared.state import Record, Shape
from shared.store import Store
from shared.verified import note_verified


async def verify_books(
    store: Store, books: int, heads: Mapping[int, Sequence[Head]]
) -> tuple[int, list[Fault]]:
    """Return how many pages were read and what is wrong with them."""
    faults: list[Fault] = []
    count = 0
    for book in range(books):
        pages = [page async for page in pages_of(store, book, is_checking=True)]
        count += len(pages)
        faults += verify(book, pages, standing(pages, heads.get(book, ())))
    return count, faults


async def adoptions_of(store: Store, books: int) -> list[tuple[str, Adoption]]:
    """Return the first page of every restore that was adopted, and what it made void."""
    found: list[tuple[str, Adoption]] = []
    for book in range(books):
        before: Adoption | None = None
        async for page in pages_of(store, book, is_checking=True):
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


async def trace_story(broker: Broker, story: str) -> list[Envelope]:
    """Return every published fact of a story, from all topics, in the order of their decision."""
    found: dict[str, Envelope] = {}
    options = {"enable_auto_commit": False, "auto_offset_reset": "earliest"}
    consumer = AIOKafkaConsumer(**reached(broker), **options)
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
    _add_erasure(app, make)
    _add_say_again(app, make)
    return app


async def _run(make: Make) -> None:
    service, plan = make()
    await service.run(plan)


async def _verify(make: Make) -> tuple[int, list[Fault], list[tuple[str, Adoption]]]:
    service, plan = make()
    count, faults = await verify_books(service.store, plan.books, read_heads(service.settings.heads))
    await note_verified(service.store, plan.books, faults, real_now())
    return count, faults, await adoptions_of(service.store, plan.books)


async def _rebuild(make: Make, *, write: bool) -> tuple[int, list[str]]:
    service, plan = make()
    return await rebuild_states(service.store, plan.books, plan.decider.shape, write=write)


async def _take_back(make: Make, books: Sequence[int]) -> tuple[list[str], dict[int, int]]:
    """Return who forbids it by being up, else the marks that were taken back."""
    service, plan = make()
    unknown = sorted(set(books) - set(range(plan.books)))
    if unknown:
        raise typer.BadParameter(
            f"no such books: {unknown}; there are {plan.books}, from 0 / "
            f"没有这些账本，共 {plan.books} 本，自 0 起"
        )
    chosen = books or range(plan.books)
    up = await writers(service.store, chosen)
    return up, {} if up else await take_back(service.store, chosen)


def _add_say_again(app: typer.Typer, make: Make) -> None:
    @app.command("say-again")
    def say_again(
        book: Annotated[
            list[int] | None, typer.Option(help="only this one, repeatable / 仅此账本，可重复")
        ] = None,
    ) -> None:
        """Let a stopped service say its books again from page 1 at its next start / 从第一页起重新发布."""
        up, said = asyncio.run(_take_back(make, book or []))
        if up:
            where = ", ".join(up)
            typer.echo(f"nothing done: stop the service first, it answers at {where}", err=True)
            typer.echo(f"未执行：请先停止该服务，它仍在 {where} 应答", err=True)
            raise typer.Exit(1)
        for number, pages in sorted(said.items()):
            typer.echo(
                f"book {number}: pages 1 to {pages} will be said again / "
                f"账本 {number}：第 1 至 {pages} 页将重新发布"
            )
        typer.echo(f"{len(said)} books; start the service now / {len(said)} 本账本；现在可启动该服务")


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
        for envelope in asyncio.run(trace_story(settings().kafka, story)):
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


async def erase_words(make: Make, wish: Wish, *, is_stopped: bool) -> tuple[Found, list[Fault]]:
    """Erase what people wrote in a stream; return what was erased and what is wrong with its book then."""
    service, plan = make()
    service.take(plan)
    number = await book_of(service.store, plan.books, wish.stream)
    # A lease of a killed process ends by itself; what the broker deals out is never given back by one.
    is_stopped = is_stopped and plan.is_dealt
    async with held(service.store, number, service.actor, is_stopped=is_stopped):
        found = await erase(service.store, service.make_book(number), plan.decider.shape, wish)
    pages = [page async for page in pages_of(service.store, number, is_checking=True)]
    heads = read_heads(service.settings.heads).get(number, ())
    return found, list(verify(number, pages, standing(pages, heads)))


def _identifier(text: str) -> str:
    if not is_identifier(text):
        raise typer.BadParameter("an identifier, no name and no words / 须为标识，不得填写姓名或文字")
    return text


def _add_erasure(app: typer.Typer, make: Make) -> None:
    @app.command("erase")
    def erase_stream(
        stream: str,
        *,
        by: Annotated[str, typer.Option(callback=_identifier, help="who answers for it / 经办人标识")],
        ground: Annotated[Ground, typer.Option(help="why / 删除理由")],
        order: Annotated[str, typer.Option(callback=_identifier, help="the file that orders it / 依据文号")],
        first_page: Annotated[int, typer.Option(min=1, help="from this page on / 起始页")] = 1,
        last_page: Annotated[int | None, typer.Option(min=1, help="up to this page / 结束页")] = None,
        stopped: Annotated[
            bool, typer.Option(help="the service was killed and does not run / 服务已被强制终止且未运行")
        ] = False,
    ) -> None:
        """Erase what people wrote in a stream; stop the service before / 删除个人信息，须先停止服务."""
        wish = Wish(stream, by, ground, order, first_page, last_page)
        try:
            found, faults = asyncio.run(erase_words(make, wish, is_stopped=stopped))
        except BookHeldError as error:
            typer.echo(f"{error}: stop the service, then erase again / 请先停止服务，再重新删除", err=True)
            raise typer.Exit(1) from None
        except UnknownStreamError:
            typer.echo("no such stream / 没有此事项流", err=True)
            raise typer.Exit(1) from None
        for fault in faults:
            typer.echo(f"page {fault.page} {fault.problem}", err=True)
        typer.echo(
            f"{found.entries} entries on {len(found.pages)} pages erased, "
            f"{found.letters} of them dead letters, {len(faults)} faults"
            f" / 已删除 {len(found.pages)} 页中 {found.entries} 条的文字，"
            f"其中死信 {found.letters} 条，{len(faults)} 处错误"
        )
        raise typer.Exit(1 if faults else 0)
