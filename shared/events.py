"""The page that shows what the topics carry: the AsyncAPI document, drawn by a viewer from a package."""

from pathlib import Path

from asyncapi_viewer.assets import STATIC_DIR
from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

import contracts

PAGE = "/docs/events"
"""Open to everybody, with all below it."""
CONTRACTS = Path(contracts.__file__).parent

_HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Zeren · events · 事件</title>
<link rel="icon" href="/docs/assets/favicon-32x32.png">
<script src="/docs/events/viewer/asyncapi-viewer.js" type="module"></script>
<style>
body { margin: 0; font-family: system-ui, "Noto Sans CJK SC", sans-serif; line-height: 1.5; }
header { padding: 1rem 2rem; border-bottom: 1px solid #ccc; }
h1 { font-size: 1.4rem; margin: 0; }
p { margin: .4rem 0; }
asyncapi-viewer { display: block; margin: 0 1rem; }
</style>
</head>
<body>
<header>
<h1>What the topics carry · 主题与事件</h1>
<p>Every fact that Zeren says on Kafka. Documents:
<a href="/docs/events/asyncapi.yaml">asyncapi.yaml</a>, <a href="/docs">HTTP</a>.</p>
<p lang="zh-CN">本系统在 Kafka 上发布的全部事件（send 为发布，receive 为接收）；字段说明为英文。文档：
<a href="/docs/events/asyncapi.yaml">asyncapi.yaml</a>，
<a href="/docs">HTTP 接口</a>。</p>
</header>
<asyncapi-viewer src="/docs/events/asyncapi.yaml" sidebar schemas="false"></asyncapi-viewer>
</body>
</html>
"""


def add_page(app: FastAPI) -> None:
    """Let *app* show the page, the document with its schemas, and the viewer; none asks another host."""
    folders = {"viewer": STATIC_DIR, "schemas": CONTRACTS / "schemas"}
    for name, folder in folders.items():
        app.mount(f"{PAGE}/{name}", StaticFiles(directory=folder))
    document = (CONTRACTS / "asyncapi.yaml").read_text("utf-8")

    @app.get(PAGE, include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(_HTML)

    @app.get(f"{PAGE}/asyncapi.yaml", include_in_schema=False)
    async def asyncapi() -> Response:
        return Response(document, media_type="application/yaml")
