"""The directory, as an operator's program reaches it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx
import stamina

from deploy.importing.spool import Fault, Row, Spool, to_csv
from services.directory.domain.rows import RowError

ANSWER_PATIENCE = timedelta(minutes=2)
_PASSING = (502, 503, 504)


class RefusedError(Exception):
    """The directory says no to rows."""

    def __init__(self, faults: Sequence[Fault], more: int) -> None:
        """Hold what is wrong, and how many *more* faults the directory has counted."""
        super().__init__(f"{len(faults)} faults")
        self.faults, self.more = faults, more


class FailedError(Exception):
    """The directory does not answer in time, or does not take what it is sent; the message says which."""


class Sender:
    """Sends parts; one that was not confirmed is sent again, which does no harm."""

    def __init__(self, http: httpx.Client, patience: timedelta) -> None:
        """Use a client that knows address and token; wait so long for a directory that is away."""
        self._http = http
        self._patience = patience

    def send(self, spool: Spool, part: Sequence[Row], *, dry_run: bool) -> dict[str, Any]:
        """Return what a part has changed, or would change.

        Raises:
            RefusedError: rows are wrong; nothing of the part was done.
            FailedError: no answer that says whether it was done.
        """
        leading = spool.leading(part) if dry_run else []
        text, lines = to_csv(spool.kind, [*leading, *part])
        query = {"dry_run": "true", "leading": str(len(leading))} if dry_run else {}
        path = f"/v1/imports/{spool.kind.name}"
        answer = self._ask(
            "POST", path, params=query, content=text.encode(), headers={"Content-Type": "text/csv"}
        )
        if answer.status_code in (409, 422):
            raise _refused(answer.json(), lines, {row.key for row in leading})
        found: dict[str, Any] = self._checked(answer).json()
        return found

    def knows(self, unit: str) -> bool:
        """Tell whether a unit stands."""
        answer = self._ask("GET", f"/v1/units/{unit}")
        return answer.status_code != 404 and self._checked(answer).is_success

    def _ask(self, method: str, path: str, **what: Any) -> httpx.Response:
        try:
            for attempt in stamina.retry_context(
                on=httpx.HTTPError, attempts=None, timeout=self._patience, wait_max=5.0
            ):
                with attempt:
                    answer = self._http.request(method, path, **what)
                    if answer.status_code in _PASSING:
                        answer.raise_for_status()
                    return answer
        except httpx.HTTPError as error:
            raise FailedError(short(error)) from error
        raise FailedError(path)

    @staticmethod
    def _checked(answer: httpx.Response) -> httpx.Response:
        if not answer.is_success:
            raise FailedError(f"{answer.status_code} {answer.text}")
        return answer


def short(error: Exception) -> str:
    """Return what kept an answer away, in a word or two."""
    if isinstance(error, httpx.HTTPStatusError):
        return str(error.response.status_code)
    return f"{type(error).__name__} {error}".strip()


def _refused(problem: dict[str, Any], lines: dict[int, Row], leading: set[str]) -> RefusedError:
    """Return the directory's errors with the files and lines from which the rows came."""
    errors = problem.get("errors")
    if not isinstance(errors, list) or not all("line" in error for error in errors):
        row = next(iter(lines.values()))
        word, reason = str(problem.get("type", "")).rpartition(":")[2], str(problem.get("detail"))
        return RefusedError([Fault(row.file, RowError(row.line, "", word, reason, ""))], 0)
    faults = []
    for error in errors:
        row = lines.get(error["line"], next(iter(lines.values())))
        if row.key not in leading:
            faults.append(Fault(row.file, RowError(**error | {"line": row.line})))
    told = int(str(problem.get("count", len(errors))))
    return RefusedError(faults, told - len(errors))
