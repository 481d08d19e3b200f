"""What a database owes to the rooms of the store, whatever engine is behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Callable, Optional, Union

from sqlalchemy import ClauseElement, Select, Table


class StoreError(Exception):
    """The database cannot be used; the text is meant for the user."""


class StoreInUse(StoreError):
    """Another process has the database open."""


class Taken(Exception):
    """There is a row of that key already."""


@dataclass(frozen=True, eq=False)
class Upsert:
    """Adds a row, or changes the one of the same key; each engine has its own words for that.

    A row that is there stays as it is, but for the columns named.

    Args:
        table: Where.
        values: Column -> name of its parameter, in the order of the columns.
        keys: Columns of the key.
        replaced: Columns that get the new value.
        added: Columns to whose number the new one is added.
        source: Gives the rows, one column for each of `values`, instead of parameters.
    """

    table: Table
    values: Mapping[str, str]
    keys: Sequence[str]
    replaced: Sequence[str] = ()
    added: Sequence[str] = ()
    source: Optional[Select[Any]] = None


Statement = Union[ClauseElement, Upsert]


class Later(ABC):
    """Rows for one table that need not be written before somebody reads it, or commits.

    They belong to the unit that added them, and are undone with it.
    """

    @abstractmethod
    def add(self, rows: Iterable[tuple[Any, ...]], size: int) -> None:
        """Add rows; of those with one key the last one stays.

        Args:
            rows: Values in the order of the columns.
            size: What they take, in characters.
        """

    @abstractmethod
    def write_out(self) -> None:
        """Write them, so that a statement finds them."""


class Database(ABC):
    """Transactions, units and statements.

    Changes gather in one transaction until `commit`. In it each piece of work is a *unit*,
    which can be undone alone.

    A room may cache what it read, if it listens to `on_undo` and `on_forget`; how long that
    stays true is the engine's business.

    Attributes:
        dirty: Whether there is anything to commit.
        narrowings: How often somebody came to may do less than before.
        unit: Number of the unit that was begun last.
        on_undo: What to do when a unit is undone; told whether it had changed the database,
            rows that were to be written later aside.
        on_forget: What to do when nothing that was read before need be true any more.
    """

    def __init__(self) -> None:
        self.dirty: bool = False
        self.narrowings: int = 0
        self.unit: int = 0
        self.on_undo: list[Callable[[bool], None]] = []
        self.on_forget: list[Callable[[], None]] = []

    # --- statements; those that are kept in a variable are compiled once ---

    @abstractmethod
    def rows(self, statement: Statement, **values: Any) -> Iterator[Any]:
        """Rows, read one by one."""

    @abstractmethod
    def one(self, statement: Statement, **values: Any) -> Any:
        """The first row, or None."""

    @abstractmethod
    def all(self, statement: Statement, **values: Any) -> list[Any]:
        """All rows."""

    @abstractmethod
    def change(self, statement: Statement, **values: Any) -> int:
        """Run a statement that writes; how many rows it was about."""

    @abstractmethod
    def insert_id(self, statement: Statement, **values: Any) -> int:
        """Add a row; the number it got."""

    @abstractmethod
    def change_many(self, statement: Statement, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run a statement that writes once per row; values in the order of its parameters.

        Raises:
            Taken: There is a row of the key of one of them; what was written until then is.
        """

    @abstractmethod
    def later(self, statement: Upsert, often: bool = False) -> Later:
        """Rows that may be written later.

        Args:
            statement: How they are written.
            often: Whether rows of the same key come again and again.
        """

    # --- transactions ---

    @abstractmethod
    def atomic(self) -> AbstractContextManager[None]:
        """All of the block's changes or, when it raises, none."""

    @abstractmethod
    def begin_unit(self) -> None:
        """Begin a piece of work that may have to be undone alone."""

    @abstractmethod
    def end_unit(self) -> None:
        """Let what the unit changed be part of the transaction."""

    @abstractmethod
    def undo_unit(self) -> bool:
        """Undo what the unit changed.

        Returns:
            False when the engine gave up the whole transaction: what all others changed is
            gone with it, and `rollback` is to be called.
        """

    @abstractmethod
    def commit(self) -> None:
        """Make everything since the last commit durable.

        Raises:
            StoreError: Nothing more can be kept.
        """

    @abstractmethod
    def rollback(self) -> None:
        """Forget everything since the last commit."""

    # --- life ---

    @abstractmethod
    def begin_check(self) -> None:
        """Begin to see whether all is sound, where that was not done at once."""

    @abstractmethod
    def probe(self, now: int) -> None:
        """Write something, so that a commit shows whether what is written is kept."""

    @abstractmethod
    def explained(self, error: BaseException) -> str | None:
        """One sentence about an error of the engine; None for any other error."""

    @abstractmethod
    def close(self) -> None:
        """Commit and close.

        Raises:
            StoreError: That could not be done. It is closed all the same.
        """
