"""Measure: ``make bench`` the kit, with ``deadline-day`` a country's deadline, with ``ingest`` the others."""

from pathlib import Path
from typing import Annotated

import typer
import uvloop

from tests.bench import day, ingest
from tests.bench.kit import measure

app = typer.Typer(add_completion=False, no_args_is_help=False)
PICTURE = Path(".bench") / "deadline-day.png"


@app.callback(invoke_without_command=True)
def kit(
    context: typer.Context,
    decisions: Annotated[int, typer.Option(help="decisions for pages of 250 / 决定数")] = 50_000,
) -> None:
    """Measure the kit on the embedded servers."""
    if context.invoked_subcommand is None and not uvloop.run(measure(decisions)):
        typer.echo("a promised figure does not hold / 有指标未达标", err=True)
        raise typer.Exit(1)


@app.command()
def deadline_day(
    only: Annotated[str, typer.Option(help="profiles, by commas / 只测这些，以逗号分隔")] = "",
    rounds: Annotated[int, typer.Option(help="rounds beside the peers / 与同类对比的轮数")] = 3,
    kafka: Annotated[bool, typer.Option("--kafka", help="on Apache Kafka / 使用 Apache Kafka")] = False,
    rust: Annotated[bool, typer.Option("--rust", help="on the Rust database / 用 Rust 版数据库")] = False,
    picture: Annotated[Path, typer.Option(help="the plot goes here / 图的路径")] = PICTURE,
) -> None:
    """Measure reminders alone, every duty due at the same second; the last line is one JSON object."""
    names = [name.strip() for name in only.split(",") if name.strip()]
    if unknown := set(names) - set(day.NAMES):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: {', '.join(day.NAMES)}")
    if not day.run(names or day.NAMES, rounds=rounds, is_kafka=kafka, is_rust=rust, picture=picture):
        typer.echo("a promised figure does not hold / 有指标未达标", err=True)
        raise typer.Exit(1)


@app.command("ingest")
def take_in(
    facts: Annotated[int, typer.Option(help="about so many facts / 事实数")] = 50_000,
    only: Annotated[str, typer.Option(help="one service / 只测一项服务")] = "",
) -> None:
    """Measure what scoring and inspection hear and reporting opens, to rest."""
    if only and only not in ingest.MEASURED:
        raise typer.BadParameter(f"{only}: {', '.join(ingest.MEASURED)}")
    uvloop.run(ingest.measure(facts, only))


if __name__ == "__main__":
    app()
