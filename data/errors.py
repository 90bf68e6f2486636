"""Every error Qianfen raises on purpose.

    QianfenError                      exit  http
    ├── ConfigurationError               2   500   settings, city.toml, reference CSVs
    │   └── UnknownCityError             2   404
    ├── SourceError                      3   500   a city's files: missing, unreadable, other encoding
    ├── SchemaError                      4   500   a mapping lacks a column, or yields no rows
    ├── PointInTimeError                 5   422   a date that the records cannot answer
    ├── LabelError                       6   422   too few labels, or one class only
    ├── ArtifactError                    7   503   a model artifact is incomplete, damaged or of another catalogue
    ├── NotFoundError                    8   404   no such entity, snapshot, model, grading
    ├── RequestError                     9   422   a scoring request that cannot be answered as put
    │   ├── MalformedRequestError        9   400
    │   └── RequestTooLargeError         9   413
    ├── BusyError                       10   409   another run holds the city
    ├── StorageError                    11   507   the disk is full, or a stored file is damaged
    │   ├── UnreachableError            11   503   the operational database does not answer
    │   └── RegistryError               14   503   MLflow cannot be reached, or refuses
    ├── NotReadyError                   12   503   no model or grading is in force yet
    ├── DriftError                      13   409   the data drifted beyond a limit, and nobody accepted it
    ├── GateError                       15   409   a challenger was refused
    ├── LedgerError                     16   500   the ledger of promotions is not as it was written
    └── ReproductionError               17   500   a score that was rebuilt is not the one that was stored

`qianfen monitor` ends with 18 where there are notices, and with 19 where there is an alarm: these are no errors.

The text says the subject, what it must be and what it was; the remedy is a sentence of its own:
``"horizon_days must be positive, got -3. Set [label] horizon_days in city.toml."``
Errors are caught only at the edge of the command and of the service; anything else keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class QianfenError(Exception):
    """Base of all errors that a user can act on."""

    exit_code = 1
    http_status = 500


class ConfigurationError(QianfenError):
    """Settings, `city.toml` or a reference file say something they must not."""

    exit_code = 2


class UnknownCityError(ConfigurationError):
    """No folder with a `city.toml` goes by that name."""

    http_status = 404


class SourceError(QianfenError):
    """A source file is missing or cannot be read."""

    exit_code = 3


class SchemaError(QianfenError):
    """A mapping does not yield the canonical table."""

    exit_code = 4


class PointInTimeError(QianfenError):
    """The records cannot answer for that date."""

    exit_code = 5
    http_status = 422


class LabelError(QianfenError):
    """The labels cannot train or test a model."""

    exit_code = 6
    http_status = 422


class ArtifactError(QianfenError):
    """A model artifact is incomplete, damaged, or made for another catalogue."""

    exit_code = 7
    http_status = 503


class NotFoundError(QianfenError):
    """No such entity, snapshot, model or grading."""

    exit_code = 8
    http_status = 404


class RequestError(QianfenError):
    """A scoring request that cannot be answered as put."""

    exit_code = 9
    http_status = 422


class MalformedRequestError(RequestError):
    """A scoring request that is not JSON."""

    http_status = 400


class RequestTooLargeError(RequestError):
    """A scoring request beyond the documented size."""

    http_status = 413


class BusyError(QianfenError):
    """Another run is at work on the same city."""

    exit_code = 10
    http_status = 409


class StorageError(QianfenError):
    """The disk refused a write, or a stored file is not what was stored."""

    exit_code = 11
    http_status = 507


class UnreachableError(StorageError):
    """The operational database does not answer, or not in time; nothing is wrong with what is stored."""

    http_status = 503


class NotReadyError(QianfenError):
    """No model or grading is in force yet, so nothing can be answered."""

    exit_code = 12
    http_status = 503


class DriftError(QianfenError):
    """The data of a snapshot drifted beyond a limit of `[drift]`, and nobody accepted it."""

    exit_code = 13
    http_status = 409


class RegistryError(StorageError):
    """MLflow cannot be reached, or refuses."""

    exit_code = 14
    http_status = 503


class GateError(QianfenError):
    """A challenger is worse than what it would replace, or not fit to be served."""

    exit_code = 15
    http_status = 409


class LedgerError(QianfenError):
    """The ledger of promotions is not as it was written."""

    exit_code = 16


class ReproductionError(QianfenError):
    """A score that was rebuilt is not the one that was stored."""

    exit_code = 17


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest known name, or an empty string."""
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean '{nearest[0]}'?" if nearest else ""
