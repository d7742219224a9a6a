"""HTTP: the routes that every service has, RFC 9457 problem details, body limits, tokens."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import httpx
import structlog
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from swagger_ui_bundle import swagger_ui_path

from contracts.personal import shown
from shared import events
from shared.access import Identity, InvalidTokenError, Verifier
from shared.book import BookLostError
from shared.clock import monotonic
from shared.metrics import REQUESTS
from shared.reasons import place_of
from shared.store import StoreUnavailableError

PROBLEM = "application/problem+json"
MAX_BODY_BYTES = 16 * 1024 * 1024
OPEN = frozenset({"/live", "/ready", "/metrics", "/docs", events.PAGE, "/openapi.json"})
"""What is answered without a token, with what the pages of ``/docs`` are made of."""
ASSETS = "/docs/assets"
QUOTING = frozenset({"union_tag_invalid"})
"""The kinds of mistakes whose message repeats what was sent."""
HOP = "x-zeren-hop"
"""A request with this header was passed on by another replica; it is not passed on again."""

log = structlog.get_logger()

_TITLES = {
    400: ("Bad request", "请求有误"),
    401: ("Token missing or invalid", "缺少令牌或令牌无效"),
    403: ("Not allowed", "无权操作"),
    404: ("Not found", "未找到"),
    405: ("Method not allowed", "不支持的请求方法"),
    409: ("The business says no", "业务规则不允许"),
    413: ("Body too large", "请求内容过大"),
    422: ("Invalid input", "输入无效"),
    500: ("Internal error", "内部错误"),
    503: ("Not ready, try again", "暂不可用，请稍后重试"),
}


class Problem(BaseModel):
    """Why a request was not done (RFC 9457); some problems say more."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="urn:zeren:problem:<word>")
    title: str
    status: int
    detail: str = Field(description="in the language that the caller prefers")


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": " / ".join(title),
        "content": {PROBLEM: {"schema": Problem.model_json_schema()}},
    }
    for status, title in _TITLES.items()
}
"""What any route may answer instead, for its documentation."""


class ProblemError(Exception):
    """A request cannot be done: RFC 9457 problem details in both languages."""

    def __init__(self, status: int, word: str, reason: str, reason_zh: str, **more: Any) -> None:
        """Say *word* to programs and the reason to people."""
        super().__init__(reason)
        self.status, self.word, self.reason, self.reason_zh, self.more = status, word, reason, reason_zh, more


class ElsewhereError(BookLostError):
    """Another replica writes the book that a request is for; *address* is where it listens, if known."""

    def __init__(self, address: str | None) -> None:
        """Point to *address*."""
        super().__init__(address)
        self.address = address


def problem(
    request: Request, status: int, word: str, reason: str, reason_zh: str, **more: Any
) -> JSONResponse:
    """Return problem details in the language that the caller prefers."""
    title = _TITLES.get(status, _TITLES[500])
    chinese = request.headers.get("accept-language", "").lower().startswith("zh")
    body = {
        "type": f"urn:zeren:problem:{word}",
        "title": title[1 if chinese else 0],
        "status": status,
        "detail": reason_zh if chinese else reason,
        **more,
    }
    headers = {"Content-Language": "zh-CN" if chinese else "en"}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, status_code=status, media_type=PROBLEM, headers=headers)


class AnnouncedLimit:
    """Answers an announced body that is too large with problem details; FastAPI counts the others."""

    def __init__(self, app: ASGIApp) -> None:
        """Guard *app*."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at the announced length."""
        length = dict(scope.get("headers", ())).get(b"content-length", b"")
        if length.isdigit() and int(length) > MAX_BODY_BYTES:
            reason, reason_zh = f"at most {MAX_BODY_BYTES} bytes", f"最多 {MAX_BODY_BYTES} 字节"
            await problem(Request(scope), 413, "too_large", reason, reason_zh)(scope, receive, send)
            return
        await self._app(scope, receive, send)


class Door:
    """Lets nobody in without a valid token, before a byte of the body is read."""

    def __init__(self, app: ASGIApp, verifier: Verifier) -> None:
        """Guard *app*."""
        self._app, self._verifier = app, verifier

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note who is asking, or answer 401."""
        if scope["type"] == "http" and not self._is_open(scope["path"]):
            request = Request(scope)
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            try:
                request.state.caller = self._verifier.identify(token if scheme.lower() == "bearer" else "")
            except InvalidTokenError as error:
                await problem(request, 401, "invalid_token", str(error), "令牌无效")(scope, receive, send)
                return
        await self._app(scope, receive, send)

    @staticmethod
    def _is_open(path: str) -> bool:
        return path in OPEN or path.startswith((f"{ASSETS}/", f"{events.PAGE}/"))


class CanonicalLine:
    """Writes one line and one measurement per request."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        """Watch the requests to *app*."""
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on and note what became of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = monotonic(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            took, path = monotonic() - began, scope["path"]
            REQUESTS.labels(self._service, scope["method"], str(status)).observe(took)
            if path.startswith("/v1/") and path != "/v1/progress":
                duration_ms, named = round(took * 1000, 2), "/".join(map(_named, path.split("/")))
                log.info(
                    "request", method=scope["method"], path=named, status=status, duration_ms=duration_ms
                )


def _named(segment: str) -> str:
    return segment and shown(segment)


async def _identity(
    request: Request, _: Annotated[Any, Depends(HTTPBearer(auto_error=False))] = None
) -> Identity:
    caller: Identity = request.state.caller
    return caller


Caller = Annotated[Identity, Depends(_identity)]
"""Who is asking; a route that takes it is closed to everybody without a token."""


def require(allowed: bool, reason: str, reason_zh: str) -> None:  # noqa: FBT001 the condition itself
    """Refuse with 403 unless *allowed*."""
    if not allowed:
        raise ProblemError(403, "not_allowed", reason, reason_zh)


def api(
    service: str,
    *,
    router: APIRouter,
    verifier: Verifier,
    is_ready: Callable[[], str | None],
    progress: Callable[[], Awaitable[dict[str, Any]]],
    operator: APIRouter | None = None,
    is_blind: Callable[[], bool] = lambda: False,
) -> FastAPI:
    """Return a service's HTTP application; *operator* are the routes for what could not be applied.

    While it *is_blind* it tells everybody to come again, rather than that his unit does not exist.
    """
    app = FastAPI(
        title=f"Zeren · {service}",
        version="1",
        docs_url=None,
        redoc_url=None,
        max_body_size=MAX_BODY_BYTES,
        responses=PROBLEMS,
    )

    async def sees() -> None:
        if is_blind():
            reason, reason_zh = (
                "The directory was not read so far; try again.",
                "组织树尚未读完，请稍后重试。",
            )
            raise ProblemError(503, "not_ready", reason, reason_zh)

    for routes in (router, operator) if operator is not None else (router,):
        app.include_router(routes, dependencies=[Depends(sees)])
    app.add_middleware(Door, verifier=verifier)
    app.add_middleware(CanonicalLine, service=service)
    _add_plumbing(app, is_ready, progress)
    _add_problems(app)
    return app


def _add_plumbing(
    app: FastAPI, is_ready: Callable[[], str | None], progress: Callable[[], Awaitable[dict[str, Any]]]
) -> None:
    app.mount(ASSETS, StaticFiles(directory=str(swagger_ui_path)))
    events.add_page(app)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=app.title,
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon-32x32.png",
        )

    @app.get("/live", include_in_schema=False)
    async def live() -> dict[str, bool]:
        return {"live": True}

    @app.get("/ready", include_in_schema=False)
    async def ready() -> JSONResponse:
        reason = is_ready()
        return JSONResponse({"ready": reason is None, "reason": reason}, status_code=503 if reason else 200)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/v1/progress", tags=["plumbing"])
    async def how_far(_: Caller) -> dict[str, Any]:
        """How far this service has heard, decided and said, in microseconds of business time."""
        return await progress()


def _add_problems(app: FastAPI) -> None:
    @app.exception_handler(ProblemError)
    async def on_problem(request: Request, error: ProblemError) -> JSONResponse:
        return problem(request, error.status, error.word, error.reason, error.reason_zh, **error.more)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        fields = [
            {"field": place_of(e["loc"]), "reason": e["type"] if e["type"] in QUOTING else e["msg"]}
            for e in error.errors()
        ]
        return problem(request, 422, "invalid", "some fields are invalid", "部分字段无效", errors=fields)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> JSONResponse:
        title = _TITLES.get(error.status_code, _TITLES[500])
        word = "too_large" if error.status_code == 413 else "http"
        answer = problem(request, error.status_code, word, str(error.detail), title[1])
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(ElsewhereError)
    async def on_elsewhere(request: Request, error: ElsewhereError) -> Response:
        """Pass the request on, one hop."""
        if error.address is None or HOP in request.headers:
            return problem(request, 503, "unavailable", "try again in a moment", "请稍后重试")
        url = request.url.replace(scheme="http", netloc=error.address)
        headers = {k: v for k, v in request.headers.items() if k not in ("host", "content-length")} | {
            HOP: "1"
        }
        body = await request.body()
        try:
            async with httpx.AsyncClient(timeout=30) as client:
                answer = await client.request(request.method, str(url), headers=headers, content=body)
        except httpx.TransportError:
            return problem(request, 503, "unavailable", "try again in a moment", "请稍后重试")
        kept = {k: v for k, v in answer.headers.items() if k in ("content-type", "content-language")}
        return Response(answer.content, status_code=answer.status_code, headers=kept)

    @app.exception_handler(Exception)
    async def on_fault(request: Request, _: Exception) -> JSONResponse:
        return problem(request, 500, "fault", "this is our mistake, not yours", "系统内部错误，与请求无关")

    @app.exception_handler(BookLostError)
    @app.exception_handler(StoreUnavailableError)
    async def on_unavailable(request: Request, _: Exception) -> JSONResponse:
        return problem(request, 503, "unavailable", "try again in a moment", "请稍后重试")
