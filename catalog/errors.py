"""Every error that the catalog raises on purpose.

No HTTP status lives here (``api.errors`` maps classes to statuses) and no vendor
exception crosses a port: adapters translate theirs into these, ``from exc``.
"""


class CatalogError(Exception):
    """Something went wrong that the catalog has a name for."""

    retryable = False
    code = "catalog_error"


class NotFoundError(CatalogError):
    """What was asked for does not exist, or the asker may not know of it."""

    code = "not_found"

    def __init__(self, kind: str, identifier: str) -> None:
        """Remember what was looked for.

        Args:
            kind: A noun of the glossary, such as ``asset`` or ``object``.
            identifier: The id or key as the caller gave it.
        """
        super().__init__(f"There is no {kind} {identifier!r}.")
        self.kind = kind
        self.identifier = identifier


class FileMissingError(NotFoundError):
    """A record names a file whose bytes are not in the store."""

    code = "file_missing"

    def __init__(self, name: str) -> None:
        """Name the file as its asset lists it."""
        super().__init__("file", name)
        self.args = (f"The file {name!r} is missing: its bytes are not in storage.",)


class ConflictError(CatalogError):
    """The state has moved on; re-read and try again."""

    code = "conflict"


class PreconditionFailedError(ConflictError):
    """What is to be changed has changed since the caller read it."""

    code = "precondition_failed"

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("It has changed since; read it again and send its new ETag.")


class AlreadyExistsError(ConflictError):
    """Something of this name exists already."""

    code = "already_exists"

    def __init__(self, kind: str, identifier: str) -> None:
        """Remember what exists already."""
        super().__init__(f"The {kind} {identifier!r} exists already.")
        self.kind = kind
        self.identifier = identifier


class FencedError(ConflictError):
    """Another process leads now; whatever this one was about to write is refused."""

    code = "fenced"


class IdempotencyConflictError(ConflictError):
    """An idempotency key was used before, for another request."""

    code = "idempotency_conflict"

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(
            "This Idempotency-Key was used for another request; send a new one."
        )


class QuotaExceededError(CatalogError):
    """The user has as many open jobs as allowed."""

    code = "quota_exceeded"

    def __init__(self, quota: int) -> None:
        """Tell the limit and what to do."""
        super().__init__(
            f"This user has {quota} jobs queued or running, as many as allowed; "
            "wait for one to end, or cancel one."
        )
        self.quota = quota


class UnauthenticatedError(CatalogError):
    """Who asks could not be established: a token is missing or not known."""

    code = "unauthenticated"


class PasswordRequiredError(UnauthenticatedError):
    """A share link has a password, and it was not given lately."""

    code = "password_required"

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("This link has a password; POST it to its `unlock`.")


class WrongPasswordError(UnauthenticatedError):
    """It is another password."""

    code = "wrong_password"

    def __init__(self) -> None:
        """Say so."""
        super().__init__("The password is wrong.")


class TooManyAttemptsError(CatalogError):
    """So many passwords were tried that the next ones are refused for a while."""

    code = "too_many_attempts"

    def __init__(self, seconds: int) -> None:
        """Say when to go on."""
        super().__init__(f"Too many attempts; wait {seconds // 60} minutes.")
        self.seconds = seconds


class ForbiddenError(CatalogError):
    """The asker may know of it but not do this to it."""

    code = "forbidden"


class InvalidRequestError(CatalogError):
    """A value that the caller sent cannot be used."""

    code = "invalid_request"

    def __init__(self, field: str, problem: str) -> None:
        """Name the field and the fix.

        Args:
            field: Name of the parameter or body field, as the caller wrote it.
            problem: What is wrong and what would be right, as one sentence.
        """
        super().__init__(problem)
        self.field = field
        self.problem = problem


class InvalidQueryError(InvalidRequestError):
    """A search, filter, sort or page parameter cannot be used."""

    code = "invalid_query"


class InvalidTagError(InvalidRequestError):
    """A tag is empty or too long."""

    code = "invalid_tag"


class InvalidObjectKeyError(InvalidRequestError):
    """An object key is empty, absolute, or leaves its store."""

    code = "invalid_object_key"


class InvalidLinkError(InvalidRequestError):
    """A signed link is forged or has expired."""

    code = "invalid_link"


class MalformedRecordError(CatalogError):
    """A record written by someone else cannot be read at all."""

    code = "malformed_record"

    def __init__(self, field: str, problem: str) -> None:
        """Name the field that makes the record unusable."""
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class DependencyError(CatalogError):
    """A server that the catalog stands on did not do its part."""

    code = "dependency_error"

    def __init__(self, dependency: str, detail: str) -> None:
        """Name the server.

        Args:
            dependency: ``mongodb``, ``typesense`` or ``storage``.
            detail: What it said, for the log.
        """
        super().__init__(f"{dependency}: {detail}")
        self.dependency = dependency
        self.detail = detail


class DependencyUnavailableError(DependencyError):
    """The server did not answer, or answered that it cannot now; retryable."""

    retryable = True
    code = "dependency_unavailable"


class DependencyRejectedError(DependencyError):
    """The server refused what we sent: our mistake, not retryable."""

    code = "dependency_rejected"


class HistoryLostError(DependencyError):
    """The change stream can't go on from the saved position; changes are unknown."""

    code = "history_lost"


class StackError(CatalogError):
    """The one-machine stack cannot start or go on; the message says what to do."""

    code = "stack_error"
