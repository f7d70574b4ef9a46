"""Every error the suite raises on purpose.

A message always names the field or place, the value found, and what to do about it; `remedy` holds
the last part, so that a command line, a task log and a problem document can show it apart.
"""


class RecsysError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: what is wrong, naming the field and the value.
        remedy: what the reader can do about it.
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class ConfigurationError(RecsysError):
    """A setting is missing, contradictory, or unsafe."""


class BadInputError(RecsysError):
    """Data from outside does not have the promised form."""


class NotReadyError(RecsysError):
    """Something needed first has not been produced yet (no dataset, no model, no version)."""


class UnavailableError(RecsysError):
    """A server (Postgres, the object store, MLflow) did not answer in time."""


class ConflictError(RecsysError):
    """Somebody else is doing the same thing at this moment."""


class IntegrityError(RecsysError):
    """Stored data does not match its own checksum or counts; it is refused."""
