"""``IndexWriter`` over the official client."""

import math
import secrets
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import orjson
from typesense.exceptions import RequestForbidden, RequestUnauthorized
from typesense.types.document import DeleteQueryParameters, DocumentImportParameters
from typesense.types.multi_search import MultiSearchRequestSchema

from catalog.clock import Clock, SystemClock
from catalog.errors import (
    DependencyRejectedError,
    DependencyUnavailableError,
    FencedError,
    NotFoundError,
)
from catalog.models.ids import RootKey
from catalog.search.base import Document, LineResult
from catalog.search.generation import kind_of, parse_physical
from catalog.search.schema import BARRIER_ID, barrier_document
from catalog.search.typesense.client import (
    NAME,
    SAFE,
    check_safe,
    close_clients,
    describe,
    index_of,
    is_about_a_field,
    is_sent,
    open_client,
    translated,
)

Answer = TypeVar("Answer")

_MAX_LINES = 1_000
_MAX_BYTES = 4 * 1024 * 1024
_MAX_IDS = 100
"""Ids in one filter that travels in an address (``typesense.md`` 7)."""

_SUCCESS = '{"success":true}'
_POISON_CODES = frozenset({400, 409, 413, 422})
_REFUSED_KEY_CODES = frozenset({401, 403})
_IMPORT: DocumentImportParameters = {"action": "upsert", "dirty_values": "reject"}
_FIRST_WAIT_SECONDS = 0.05
_LONGEST_WAIT_SECONDS = 1.0


class TypesenseIndexWriter:
    """See ``IndexWriter``.

    0.24.1 has no conditional write of any kind: order is the caller's business (one
    writer that re-reads the truth).
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        prefix: str,
        *,
        clock: Clock | None = None,
        import_timeout_seconds: float = 120.0,
        timeout_seconds: float = 10.0,
        barrier_seconds: float = 10.0,
    ) -> None:
        """Connect to nothing yet.

        Args:
            url: Address of the server.
            api_key: May write documents and search; until ``use_key``.
            prefix: Of our indexes; others are refused.
            clock: Waits in ``barrier``.
            import_timeout_seconds: For imports and deletions.
            timeout_seconds: For everything else.
            barrier_seconds: How long ``barrier`` waits for a loading engine.
        """
        self._prefix = prefix
        self._key = api_key
        self._clock = clock or SystemClock()
        self._barrier_seconds = barrier_seconds
        self._uncertain, self._counting = 0, threading.Lock()
        self._imports = open_client(
            url, api_key, timeout_seconds=import_timeout_seconds
        )
        self._client = open_client(url, api_key, timeout_seconds=timeout_seconds)
        weakref.finalize(self, close_clients, self._imports, self._client)

    @property
    def uncertain_writes(self) -> int:
        """See ``IndexWriter.uncertain_writes``."""
        return self._uncertain

    def use_key(self, key: str) -> None:
        """See ``IndexWriter.use_key``; the client reads it for every request."""
        self._imports.config.api_key = key
        self._client.config.api_key = key
        self._key = key  # last: whoever sees it here sends it from now on

    def upsert(self, index: str, documents: Sequence[Document]) -> list[LineResult]:
        """See ``IndexWriter.upsert``."""
        self._check(index)
        results: list[LineResult] = []
        for lines, pending in _slices(documents):
            answers = iter(self._import(index, lines) if lines else ())
            results += [result or _result_of(i, next(answers)) for i, result in pending]
        return results

    def delete(self, index: str, document_ids: Sequence[str]) -> None:
        """See ``IndexWriter.delete``."""
        self._check(index)
        check_safe(document_ids)
        for ids in _chunks(document_ids):
            self._delete(index, f"id:=[{','.join(ids)}]")

    def delete_older(self, index: str, roots: Sequence[RootKey], sequence: int) -> int:
        """See ``IndexWriter.delete_older``."""
        self._check(index)
        check_safe(roots)
        return sum(
            self._delete(index, f"(root:=[{','.join(keys)}]) && (_seq:<{sequence:d})")
            for keys in _chunks(roots)
        )

    def count_of_roots(
        self, indexes: Sequence[str], roots: Sequence[RootKey]
    ) -> list[int]:
        """See ``IndexWriter.count_of_roots``."""
        for index in indexes:
            self._check(index)
        check_safe(roots)
        if not indexes or not roots:
            return [0] * len(indexes)
        wanted = f"root:=[{','.join(roots)}]"
        answers = self._search([(index, wanted) for index in indexes])
        return [int(answer["found"]) for answer in answers]

    def barrier(self, index: str) -> None:
        """See ``IndexWriter.barrier``.

        A write into the same index that is acknowledged and can be read back is what
        proves it: neither ``/health`` nor a write elsewhere does (measured).
        """
        self._check(index)
        nonce = secrets.randbelow(2**31 - 1)
        document = barrier_document(kind_of(index)) | {"_gen": nonce}
        stop, waited, pause = threading.Event(), 0.0, _FIRST_WAIT_SECONDS
        while True:
            try:
                self._write_and_read_back(index, document, nonce)
            except DependencyUnavailableError:
                if waited >= self._barrier_seconds:
                    raise
                self._clock.wait(stop, pause)
                waited += pause
                pause = min(pause * 2, _LONGEST_WAIT_SECONDS)
            else:
                return

    def _write_and_read_back(self, index: str, document: Document, nonce: int) -> None:
        (result,) = self.upsert(index, [document])
        if result.error is not None:
            if result.is_poison:
                raise DependencyRejectedError(NAME, f"barrier refused: {result.error}")
            raise DependencyUnavailableError(NAME, result.error)
        (answer,) = self._search([(index, f"(id:={BARRIER_ID}) && (_gen:={nonce})")])
        if answer["found"] != 1:
            raise DependencyUnavailableError(NAME, "a write can't be read back yet")
        self._delete(index, f"id:=[{BARRIER_ID}]")

    # --- one request each ---------------------------------------------------------

    def _import(self, index: str, lines: Sequence[bytes]) -> list[str]:
        documents = index_of(self._imports, index).documents
        body = b"\n".join(lines)
        with self._doubted():
            text = self._ask(lambda: documents.import_(body, _IMPORT), index)
        answers = text.split("\n") if text else []
        if len(answers) != len(lines):
            detail = f"{len(lines)} lines sent, {len(answers)} answered"
            raise DependencyUnavailableError(NAME, detail)
        return answers

    def _delete(self, index: str, wanted: str) -> int:
        parameters: DeleteQueryParameters = {"filter_by": wanted}
        documents = index_of(self._imports, index).documents
        with self._doubted():
            answer = self._ask(lambda: documents.delete(parameters), index)
        return int(answer["num_deleted"])

    def _search(self, questions: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
        searches: list[Any] = [
            {"collection": index, "q": "*", "filter_by": wanted, "per_page": 0}
            for index, wanted in questions
        ]
        body: MultiSearchRequestSchema = {"searches": searches}

        def search() -> list[Any]:
            answers: list[Any] = self._client.multi_search.perform(body)["results"]
            for (index, _), answer in zip(questions, answers, strict=True):
                _check_answer(index, answer)
            return answers

        return self._ask(search)

    def _ask(self, request: Callable[[], Answer], index: str = "") -> Answer:
        """Send it; again if its key was refused because a newer one is in use."""
        key = self._key
        try:
            with translated(index), _fenced():
                return request()
        except FencedError:
            if self._key == key:
                raise
        with translated(index), _fenced():
            return request()

    @contextmanager
    def _doubted(self) -> Iterator[None]:
        """Count a write that may be carried out after all."""
        try:
            yield
        except DependencyUnavailableError as exc:
            if is_sent(exc.__cause__):
                with self._counting:
                    self._uncertain += 1
            raise

    def _check(self, index: str) -> None:
        """Refuse aliases and other people's indexes: never write through an alias."""
        parsed = parse_physical(index)
        if parsed is None or parsed.prefix != self._prefix:
            raise DependencyRejectedError(NAME, f"{index!r} is not one of our indexes")


@contextmanager
def _fenced() -> Iterator[None]:
    """Tell a refused key: revoked by another leader, or expired because none led."""
    try:
        yield
    except (RequestUnauthorized, RequestForbidden) as exc:
        raise FencedError(f"typesense: the key is refused ({describe(exc)})") from exc


def _check_answer(index: str, answer: dict[str, Any]) -> None:
    """Errors of one search come inline, with HTTP 200."""
    code = answer.get("code")
    if code is None and "found" in answer:
        return
    detail = str(answer.get("error", "an answer without a count"))
    is_unknown_field = is_about_a_field(detail)
    if code == 404 and not is_unknown_field:  # noqa: PLR2004  (HTTP's not found)
        raise NotFoundError("index", index)
    if code in _REFUSED_KEY_CODES:
        raise FencedError(f"typesense: the key is refused ({detail})")
    if code in _POISON_CODES or is_unknown_field:
        raise DependencyRejectedError(NAME, detail)
    raise DependencyUnavailableError(NAME, detail)


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _MAX_IDS):
        yield values[start : start + _MAX_IDS]


Slice = tuple[list[bytes], list[tuple[str, LineResult | None]]]
"""Lines to send; and per document its id and, where it can't be sent, its result."""


def _slices(documents: Sequence[Document]) -> Iterator[Slice]:
    """Cut into requests; a line is never blank and its length never a surprise."""
    lines: list[bytes] = []
    pending: list[tuple[str, LineResult | None]] = []
    size = 0
    for document in documents:
        document_id = str(document.get("id", ""))
        line, problem = _encode(document)
        if lines and (len(lines) >= _MAX_LINES or size + len(line) > _MAX_BYTES):
            yield lines, pending
            lines, pending, size = [], [], 0
        if problem is None:
            lines.append(line)
            size += len(line) + 1
            pending.append((document_id, None))
        else:
            poison = LineResult(document_id, problem, is_poison=True)
            pending.append((document_id, poison))
    if pending:
        yield lines, pending


def _encode(document: Document) -> tuple[bytes, str | None]:
    if SAFE.fullmatch(str(document.get("id", ""))) is None:
        return b"", "the id is missing or not safe"
    for name, value in document.items():
        # orjson would write null, and the engine would take it for absent.
        if isinstance(value, float) and not math.isfinite(value):
            return b"", f"{name} is not a number"
    try:
        return orjson.dumps(document), None
    except TypeError as exc:  # lone surrogates, integers beyond 64 bits, odd types
        return b"", f"not JSON: {exc}"


def _result_of(document_id: str, answer: str) -> LineResult:
    if answer == _SUCCESS:
        return LineResult(document_id)
    read = orjson.loads(answer)
    if read.get("success") is True:
        return LineResult(document_id)
    error = str(read.get("error", "refused without a reason"))
    return LineResult(document_id, error, is_poison=read.get("code") in _POISON_CODES)
