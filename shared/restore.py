"""The command ``adopt``: a restored service takes back from its topics what its database has lost."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from contracts.topics import PARTITIONS
from shared.adopt import Adopted, Adopter, AdoptError
from shared.book import BookLostError
from shared.heads import WHO
from shared.kafka import make_topics
from shared.published import Origin
from shared.relay import BrokerUnavailableError
from shared.service import Plan, Service, topics
from shared.store import PageTakenError, StoreUnavailableError

Make = Callable[[], tuple[Service[Any], Plan[Any]]]
"""Makes a service and its plan inside the loop that will use them."""

FAILED = (AdoptError, BookLostError, PageTakenError, StoreUnavailableError, BrokerUnavailableError)


async def _adopt(make: Make, who: str, *, since: datetime | None, accept_loss: bool) -> list[str]:
    service, plan = make()
    ready, settings = adopter(service, plan), service.settings
    await service.clock.refresh()
    await make_topics(settings.kafka, topics(), PARTITIONS, replicas=settings.kafka_replicas)
    results = await ready.adopt(who, since=since, accept_loss=accept_loss)
    return list(told(results, plan.origin))


def adopter(service: Service[Any], plan: Plan[Any]) -> Adopter:
    """Return what takes back the lost facts of a service that does not run here."""
    service.take(plan)
    return Adopter(
        store=service.store,
        books=range(plan.books),
        decider=plan.decider,
        origin=plan.origin,
        source=service.source,
        says=plan.says,
        hears=[topic for topic in plan.hears if topic not in plan.foreign],
        ask=service.intake.again,
        number_for=service.number_for,
        published=service.published,
        clock=service.clock,
        heads=service.settings.heads,
        make_book=service.make_book,
    )


def add_adopt(app: typer.Typer, make: Make) -> None:
    """Give a service's command line the command."""

    @app.command()
    def adopt(
        who: Annotated[str, typer.Option(help="an identifier of who does this / 操作人编号")],
        since: Annotated[
            datetime | None, typer.Option(help="read the topics from this moment on, UTC / 起始时间")
        ] = None,
        *,
        accept_loss: Annotated[
            bool, typer.Option(help="go on even if the topics know nothing / 主题无记录时仍继续")
        ] = False,
    ) -> None:
        """After a restore, take the facts that the database lost back from the topics / 恢复后取回事实."""
        if not WHO.fullmatch(who):
            raise typer.BadParameter("letters, digits and . _ @ - only / 只可用字母、数字和 . _ @ -")
        start = None if since is None else since.replace(tzinfo=UTC)
        try:
            lines = asyncio.run(_adopt(make, who, since=start, accept_loss=accept_loss))
        except FAILED as error:
            typer.echo(f"not adopted / 未完成: {error}", err=True)
            raise typer.Exit(1) from error
        for line in lines:
            typer.echo(line)


def told(results: Sequence[Adopted], origin: Origin) -> Iterator[str]:
    """Yield what an adoption came to, for people."""
    for one in results:
        yield (
            f"book {one.book}: restored to page {one.restored}, published to page {one.until}, "
            f"{one.facts} facts taken back, {one.heard} heard again / "
            f"账本 {one.book}：恢复至第 {one.restored} 页，已发布至第 {one.until} 页，"
            f"取回 {one.facts} 条事实，重新接收 {one.heard} 条"
        )
        for subject, gap in sorted(one.missing.items()):
            yield f"lost: {gap} sequences of {subject} / 丢失：{subject} 的 {gap} 个序号"
    if results:
        yield " / ".join(origin.lost)
    if not results:
        yield "no book is behind what was published / 没有账本落后于已发布的内容"
