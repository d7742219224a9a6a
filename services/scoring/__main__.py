"""Run scoring: ``python -m services.scoring``; ``--help`` lists its other commands."""

import asyncio

import typer

from services.scoring.adapters.recompute import recompute
from services.scoring.app import build
from services.scoring.settings import ScoringSettings
from shared.commands import program
from shared.service import Service

app = program("scoring", ScoringSettings, build)


@app.command("recompute")
def check_scores() -> None:
    """Compute every score from the first page and compare with the stored rows / 从首页重算分数."""
    count, different = asyncio.run(_recompute())
    for unit in different:
        typer.echo(f"differs: {unit}", err=True)
    typer.echo(f"{count} scores, {len(different)} differ / {count} 个分数，{len(different)} 个不一致")
    raise typer.Exit(1 if different else 0)


async def _recompute() -> tuple[int, list[str]]:
    service: Service[object] = Service(ScoringSettings(), "scoring")
    plan = build(service)
    return await recompute(service.store, plan.books, plan.decider.shape)


if __name__ == "__main__":
    app()
