"""Conditional requests (RFC 9110, section 13): two writers of one record cannot lose each other's change."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from fast_api_service.problems import ProblemError

IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The ETag that the change builds on: 412 if the record has changed since. `*`: it must exist.",
}
IF_NONE_MATCH_ANY = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "enum": ["*"]},
    "description": "`*`: it must not exist yet, else 412.",
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "An ETag known already: 304 without a body if it still holds.",
}
ETAG_HEADER = {"ETag": {"description": "Revision of the record.", "schema": {"type": "string"}}}


def etag(revision: int) -> str:
    """A record's ETag."""
    return f'"{revision}"'


@dataclass(frozen=True)
class Condition:
    """What a request says of the record it expects to find; None: nothing.

    Attributes:
        if_match: the header.
        if_none_match: the header.
        exists: whether the method is for records that exist, or for new ones.
    """

    if_match: str | None = None
    if_none_match: str | None = None
    exists: bool | None = None

    @classmethod
    def of(cls, request: Request) -> "Condition":
        """The condition in a request's headers."""
        return cls(request.headers.get("if-match"), request.headers.get("if-none-match"))

    def is_known(self, revision: int) -> bool:
        """Whether the client holds this revision already (of a GET)."""
        return self.if_none_match is not None and _names(self.if_none_match, revision, weak=True)

    def check(self, noun: str, key: str, revision: int | None) -> None:
        """See that a change may go ahead on a record of this revision (None: there is no such record).

        Raises:
            ProblemError: 412, or for `exists` 404 or 409.
        """
        if self.if_match is not None and (revision is None or not _names(self.if_match, revision)):
            found = "does not exist" if revision is None else f"has the ETag {etag(revision)} now"
            raise _failed(
                f"If-Match is {self.if_match[:100]}, but the {noun} {key!r} {found}: somebody else has changed it.",
                "Read it again, apply your change to what is there now, and send that with its ETag.",
                revision,
            )
        if self.if_none_match is not None and revision is not None and _names(self.if_none_match, revision):
            raise _failed(
                f"If-None-Match is {self.if_none_match[:100]}, but the {noun} {key!r} exists.",
                "Leave the header out to replace it.",
                revision,
            )
        if self.exists is True and revision is None:
            raise unknown(noun, key)
        if self.exists is False and revision is not None:
            raise ProblemError(
                409,
                "exists",
                f"The {noun} {key!r} exists already.",
                remedy="Use another id, or PUT to replace it and PATCH to change it.",
                headers={"ETag": etag(revision)},
            )


def unknown(noun: str, key: str) -> ProblemError:
    """There is no such record."""
    return ProblemError(
        404, f"unknown-{noun}", f"There is no {noun} {key!r}.", remedy="Correct the id, or create it with PUT."
    )


def _names(header: str, revision: int, *, weak: bool = False) -> bool:
    tags = [tag.strip() for tag in header.split(",")]
    return "*" in tags or etag(revision) in tags or (weak and f"W/{etag(revision)}" in tags)


def _failed(message: str, remedy: str, revision: int | None) -> ProblemError:
    headers: dict[str, Any] = {} if revision is None else {"ETag": etag(revision)}
    return ProblemError(412, "precondition-failed", message, remedy=remedy, headers=headers)
