"""Content: what devices of a model may load, and the bytes of it."""

from __future__ import annotations

from collections.abc import Iterator

from ..store import PIECE, Content, Model
from . import groups, serials
from .errors import Conflict, Forbidden, Invalid, NotFound, TooLarge
from .events import Remains
from .lists import Listing
from .turns import Steps
from .unit import Unit

_AT_ONCE = 20  # entries that one step looks at


# --- entries ---------------------------------------------------------------


def one(unit: Unit, model: Model, name: str) -> Content:
    """An entry.

    Raises:
        NotFound: The model has none of that name.
    """
    content = unit.content.one(model.id, name)
    if content is None:
        raise NotFound("no such content")
    return content


def listing(unit: Unit, model: Model) -> Listing:
    """Names of the content of a model."""

    def read(after: int, most: int) -> list[tuple[int, str]]:
        return [(entry.id, entry.name) for entry in unit.content.after(model.id, after, most)]

    return Listing(read)


def add(unit: Unit, model: Model, name: str, meta: str, protected: bool) -> None:
    """Add an entry without bytes.

    Args:
        unit: The work that this is part of.
        model: Whose devices it is for.
        name: Its name.
        meta: What is said about it.
        protected: Whether only those serial numbers may load it that are in a group with it.

    Raises:
        Conflict: There is one of that name.
    """
    if unit.content.one(model.id, name) is not None:
        raise Conflict("there is content of that id")
    unit.content.add(model.id, name, meta, protected, unit.now())


def remove(unit: Unit, model: Model, name: str) -> Steps[None]:
    """Remove an entry from all groups that hold it, and its bytes; in steps.

    Raises:
        NotFound: The model has none of that name.
    """
    content = one(unit, model, name)
    while unit.groups.remove_memberships(model.id, "content", name):
        yield
    unit.content.remove(content)
    unit.emit(Remains())


def holding(unit: Unit, model: Model, name: str) -> Listing:
    """The groups that hold an entry directly.

    Raises:
        NotFound: The model has none of that name.
    """
    return groups.holding(unit, model, "content", one(unit, model, name).name)


# --- who may load what -----------------------------------------------------


def usable(unit: Unit, model: Model, sn: str) -> Steps[list[str]]:
    """Names of the content that a serial number may load; in steps.

    Raises:
        Invalid: There is no such serial number.
    """
    _need_serial(unit, model, sn)
    found, after = [], 0
    mine = yield from groups.holders(unit, model, "sn", sn)
    while some := unit.content.after(model.id, after, _AT_ONCE):
        for content in some:
            if (yield from _is_open(unit, model, content, mine)):
                found.append(content.name)
        after = some[-1].id
        yield
    return found


def authorised(unit: Unit, model: Model, sn: str, name: str) -> Steps[Content]:
    """An entry that a serial number may load; in steps.

    Raises:
        Invalid: There is no such serial number.
        NotFound: The model has no such content.
        Forbidden: It is protected, and no group holds both.
    """
    _need_serial(unit, model, sn)
    content = one(unit, model, name)
    if content.protected:
        mine = yield from groups.holders(unit, model, "sn", sn)
        if not (yield from _is_open(unit, model, content, mine)):
            raise Forbidden("the content is protected, and not for this serial number")
    return content


def _is_open(unit: Unit, model: Model, content: Content, mine: set[int]) -> Steps[bool]:
    """Whether one who is in some groups may load something."""
    if not content.protected:
        return True
    its = yield from groups.holders(unit, model, "content", content.name)
    yield
    return bool(mine & its)


def _need_serial(unit: Unit, model: Model, sn: str) -> None:
    if serials.find(unit, model, sn) is None:
        raise Invalid("no such serial number")


# --- bytes, on their way up ------------------------------------------------


def to_upload(unit: Unit, model: Model, name: str, size: int) -> Content:
    """An entry that bytes may be uploaded for.

    Args:
        unit: The work that this is part of.
        model: Whose content it is.
        name: Its name.
        size: How many bytes there will be, as far as that is known.

    Raises:
        NotFound: The model has no such content.
        Conflict: It has bytes, which may not be replaced.
        TooLarge: They are too many.
    """
    content = one(unit, model, name)
    if content.blob is not None and unit.settings.strict_content_upload:
        raise Conflict("the content has a blob")
    check_size(unit, size)
    return content


def check_size(unit: Unit, size: int) -> None:
    """See that content may have so many bytes.

    Raises:
        TooLarge: It may not.
    """
    if size > unit.settings.max_content_bytes:
        raise TooLarge(f"at most {unit.settings.max_content_bytes} bytes")


def new_blob(unit: Unit) -> int:
    """Begin to store bytes; the number by which they go until they are content."""
    return unit.content.new_blob()


def add_piece(unit: Unit, blob: int, number: int, piece: bytes) -> None:
    """Store a piece of them; all but the last one have `PIECE` bytes."""
    unit.content.add_piece(blob, number, piece)


def abandon(unit: Unit, blob: int) -> None:
    """Store no more of them, and let go of what was stored."""
    unit.content.give_up(blob)
    unit.emit(Remains())


def put(unit: Unit, content: Content, blob: int, type: str, size: int) -> None:
    """Put bytes that were stored in the place of those that the content had.

    Args:
        unit: The work that this is part of.
        content: The entry, as it was when the upload began.
        blob: The bytes.
        type: Their media type.
        size: How many they are.

    Raises:
        NotFound: The entry was removed meanwhile.
    """
    current = unit.content.one(content.model, content.name)
    if current is None or current.id != content.id:
        raise NotFound("the content was removed meanwhile")
    unit.content.set_blob(current, blob, type, size, unit.now())
    unit.emit(Remains())  # of what was there before


# --- bytes, on their way down ----------------------------------------------


def blob_of(content: Content) -> int:
    """The bytes of an entry.

    Raises:
        NotFound: None were uploaded.
    """
    if content.blob is None:
        raise NotFound("nothing was uploaded yet")
    return content.blob


def hold(unit: Unit, blob: int) -> None:
    """Keep bytes, also when others take their place, until `release`."""
    unit.content.hold(blob)


def release(unit: Unit, blob: int) -> None:
    """Keep them no longer for one who held them; those that were replaced meanwhile can go."""
    unit.content.release(blob)
    unit.emit(Remains())


def piece(unit: Unit, blob: int, number: int) -> bytes:
    """A piece of them."""
    return unit.content.piece(blob, number)


def pieces(first: int, last: int) -> Iterator[tuple[int, slice]]:
    """Which pieces have the bytes from one to another, and where in each."""
    for number in range(first // PIECE, last // PIECE + 1):
        start = number * PIECE
        yield number, slice(max(first - start, 0), last - start + 1)
