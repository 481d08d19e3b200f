"""Vendors and their tokens; models, their shares, serial numbers, ranges and activations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Optional

from sqlalchemy import bindparam, delete, insert, select, update

from .database import Database, Taken, Upsert
from .jobs import MODEL, JobStore
from .schema import (
    activations,
    model_shares,
    models,
    ranges,
    serials,
    shelves,
    vendor_tokens,
    vendors,
)

SHELF = 1000
_FEW = 200  # rows that are removed at once

_v, _t, _m, _s = vendors.c, vendor_tokens.c, models.c, serials.c


class Vendor(NamedTuple):
    """A company's name, and the client it is registered to."""

    id: int
    name: str
    client: int


class Model(NamedTuple):
    """How clients of a kind are made."""

    id: int
    vendor: int
    name: str
    template_kind: str
    template: str
    options: str


class Serial(NamedTuple):
    """A serial number, and the client made for it."""

    id: int
    model: int
    sn: str
    extra: str
    place: int
    client: Optional[int]
    enabled_by: Optional[int]
    from_range: int


class Range(NamedTuple):
    """Serial numbers by rule: the values from `first` to `last`, written in a format."""

    id: int
    format: str
    length: Optional[int]
    casing: Optional[str]
    first: int
    last: int


# --- vendors and tokens ---
_VENDOR = select(_v.id, _v.name, _v.client)
_VENDOR_BY_NAME = _VENDOR.where(_v.name == bindparam("name"))
_VENDOR_BY_CLIENT = _VENDOR.where(_v.client == bindparam("client"))
_VENDOR_BY_ID = _VENDOR.where(_v.id == bindparam("id"))
_ADD_VENDOR = insert(vendors).values(name=bindparam("name"), client=bindparam("client"))
_REMOVE_VENDOR = delete(vendors).where(_v.id == bindparam("id"))
_TOKEN = _VENDOR.where(_t.token == bindparam("token"), _t.vendor == _v.id)
_LABEL = select(_t.token).where(_t.vendor == bindparam("v"), _t.label == bindparam("l"))
_LABELS = select(_t.label).where(_t.vendor == bindparam("v")).order_by(_t.label)
_ADD_TOKEN = insert(vendor_tokens).values(
    token=bindparam("token"), vendor=bindparam("v"), label=bindparam("l")
)
_REMOVE_TOKEN = delete(vendor_tokens).where(_t.token == bindparam("token"))
_REMOVE_TOKENS = delete(vendor_tokens).where(_t.vendor == bindparam("v"))

# --- models ---
_MODEL = select(_m.id, _m.vendor, _m.name, _m.template_kind, _m.template, _m.options)
_MODEL_BY_NAME = _MODEL.where(_m.vendor == bindparam("v"), _m.name == bindparam("name"))
_MODELS = select(_m.name).where(_m.vendor == bindparam("v")).order_by(_m.id)
_ADD_MODEL = insert(models).values(
    vendor=bindparam("v"),
    name=bindparam("name"),
    template_kind=bindparam("kind"),
    template=bindparam("template"),
    options=bindparam("options"),
)
_CHANGE_MODEL = (
    update(models)
    .where(_m.id == bindparam("this"))
    .values(
        template_kind=bindparam("new_kind"),
        template=bindparam("new_template"),
        options=bindparam("new_options"),
    )
)
_REMOVE_MODEL = delete(models).where(_m.id == bindparam("id"))
_NEXT_PLACE = select(_m.next_place).where(_m.id == bindparam("id"))
_SET_PLACE = (
    update(models).where(_m.id == bindparam("this")).values(next_place=bindparam("new_place"))
)
_h = model_shares.c
_SHARED = select(_h.vendor).where(_h.model == bindparam("m"), _h.vendor == bindparam("v"))
_SHARED_WITH = (
    select(_v.name).where(_h.model == bindparam("m"), _v.id == _h.vendor).order_by(_v.name)
)
_SHARED_TO = (
    select(_v.name, _m.name)
    .where(_h.vendor == bindparam("v"), _m.id == _h.model, _v.id == _m.vendor)
    .order_by(_m.id)
)
_ADD_SHARE = Upsert(model_shares, {"model": "m", "vendor": "v"}, ["model", "vendor"])
_REMOVE_SHARE = delete(model_shares).where(_h.model == bindparam("m"), _h.vendor == bindparam("v"))
_REMOVE_SHARES = delete(model_shares).where(_h.model == bindparam("m"))

# --- serial numbers ---
_SERIAL = select(
    _s.id, _s.model, _s.sn, _s.extra, _s.place, _s.client, _s.enabled_by, _s.from_range
)
_BY_SN = _SERIAL.where(_s.model == bindparam("m"), _s.sn == bindparam("sn"))
_MANY = 500
_BY_SNS = _SERIAL.where(
    _s.model == bindparam("m"), _s.sn.in_([bindparam(f"sn{place}") for place in range(_MANY)])
)
_BY_CLIENT = _SERIAL.where(_s.client == bindparam("client"))
_ADD_SERIAL = insert(serials).values(
    model=bindparam("m"),
    sn=bindparam("sn"),
    extra=bindparam("extra"),
    place=bindparam("place"),
    from_range=bindparam("from_range"),
)
_SET_CLIENT = (
    update(serials)
    .where(_s.id == bindparam("this"))
    .values(client=bindparam("new_client"), enabled_by=bindparam("new_enabler"))
)
_SET_EXTRA = (
    update(serials)
    .where(_s.id == bindparam("this"))
    .values(extra=bindparam("new_extra"), from_range=0)
)
_REMOVE_SERIAL = delete(serials).where(_s.id == bindparam("id"))
_first_serials = (
    select(_s.id).where(_s.model == bindparam("m")).order_by(_s.place).limit(_FEW).scalar_subquery()
)
_REMOVE_SERIALS = delete(serials).where(_s.id.in_(_first_serials))
_PAGE = (
    _SERIAL.where(_s.model == bindparam("m"), _s.place > bindparam("after"))
    .order_by(_s.place)
    .limit(bindparam("n"))
)
_SKIP = (
    select(_s.place)
    .where(_s.model == bindparam("m"), _s.place > bindparam("after"))
    .order_by(_s.place)
    .limit(1)
    .offset(bindparam("skip"))
)
_PAGE_OF = (
    _SERIAL.where(
        _s.model == bindparam("m"), _s.enabled_by == bindparam("v"), _s.place > bindparam("after")
    )
    .order_by(_s.place)
    .limit(bindparam("n"))
)
_SKIP_OF = (
    select(_s.place)
    .where(
        _s.model == bindparam("m"), _s.enabled_by == bindparam("v"), _s.place > bindparam("after")
    )
    .order_by(_s.place)
    .limit(1)
    .offset(bindparam("skip"))
)
_k = shelves.c
_SHELVES = select(_k.shelf, _k["count"]).where(_k.model == bindparam("m")).order_by(_k.shelf)
_COUNT_SHELF = Upsert(
    shelves,
    {"model": "m", "shelf": "s", "count": "n"},
    ["model", "shelf"],
    added=["count"],
)
_REMOVE_SHELVES = delete(shelves).where(_k.model == bindparam("m"))
_r = ranges.c
_RANGES = (
    select(_r.id, _r.format, _r.length, _r.casing, _r.first, _r.last)
    .where(_r.model == bindparam("m"))
    .order_by(_r.id)
)
_ADD_RANGE = insert(ranges).values(
    model=bindparam("m"),
    format=bindparam("format"),
    length=bindparam("length"),
    casing=bindparam("casing"),
    first=bindparam("first"),
    last=bindparam("last"),
)
_REMOVE_RANGE = delete(ranges).where(_r.id == bindparam("id"))
_REMOVE_RANGES = delete(ranges).where(_r.model == bindparam("m"))
_a = activations.c
_LOG = (
    select(_a.id, _a.time, _a.peer, _a.entry)
    .where(_a.serial == bindparam("s"), _a.id > bindparam("after"))
    .order_by(_a.id)
    .limit(bindparam("n"))
)
_ADD_LOG = insert(activations).values(
    serial=bindparam("s"), time=bindparam("t"), peer=bindparam("peer"), entry=bindparam("entry")
)
_REMOVE_LOG = delete(activations).where(_a.serial == bindparam("s"))
_REMOVE_LOGS = delete(activations).where(
    _a.id.in_(select(_a.id).where(_a.serial.in_(_first_serials)).limit(_FEW).scalar_subquery())
)

# What is left of a model that was removed, in the order in which it goes.
_LEFT = (_REMOVE_LOGS, _REMOVE_SERIALS, _REMOVE_SHELVES)


class DeviceStore:
    """What makes devices: who may, by which model, and under which serial number."""

    def __init__(self, database: Database, jobs: JobStore) -> None:
        self._db = database
        self._jobs = jobs

    # --- vendors ---

    def vendor(self, name: str) -> Vendor | None:
        """The vendor of this name."""
        return self._vendor(_VENDOR_BY_NAME, name=name)

    def vendor_of(self, client: int) -> Vendor | None:
        """The vendor registered to a client."""
        return self._vendor(_VENDOR_BY_CLIENT, client=client)

    def vendor_by_id(self, number: int) -> Vendor | None:
        """The vendor with this number."""
        return self._vendor(_VENDOR_BY_ID, id=number)

    def vendor_by_token(self, token: str) -> Vendor | None:
        """The vendor a token stands for."""
        return self._vendor(_TOKEN, token=token)

    def _vendor(self, statement: Any, **values: Any) -> Vendor | None:
        row = self._db.one(statement, **values)
        return Vendor(*row) if row else None

    def add_vendor(self, name: str, client: int) -> None:
        """Register a name to a client."""
        self._db.change(_ADD_VENDOR, name=name, client=client)

    def remove_vendor(self, vendor: Vendor) -> None:
        """Remove a vendor and its tokens."""
        self._db.change(_REMOVE_TOKENS, v=vendor.id)
        self._db.change(_REMOVE_VENDOR, id=vendor.id)

    def labels(self, vendor: int) -> list[str]:
        """Labels of a vendor's tokens."""
        return [row[0] for row in self._db.all(_LABELS, v=vendor)]

    def token(self, vendor: int, label: str) -> str | None:
        """The token with a label."""
        row = self._db.one(_LABEL, v=vendor, l=label)
        return row[0] if row else None

    def add_token(self, vendor: int, label: str, token: str) -> None:
        """Add a token."""
        self._db.change(_ADD_TOKEN, token=token, v=vendor, l=label)

    def remove_token(self, token: str) -> None:
        """Remove a token."""
        self._db.change(_REMOVE_TOKEN, token=token)

    # --- models ---

    def model(self, vendor: int, name: str) -> Model | None:
        """A vendor's model."""
        row = self._db.one(_MODEL_BY_NAME, v=vendor, name=name)
        return Model(*row) if row else None

    def models(self, vendor: int) -> list[str]:
        """Names of a vendor's models."""
        return [row[0] for row in self._db.all(_MODELS, v=vendor)]

    def add_model(self, vendor: int, name: str, kind: str, template: str, options: str) -> None:
        """Add a model."""
        self._db.change(
            _ADD_MODEL, v=vendor, name=name, kind=kind, template=template, options=options
        )

    def change_model(self, model: Model, kind: str, template: str, options: str) -> None:
        """Replace template and options of a model."""
        self._db.change(
            _CHANGE_MODEL,
            this=model.id,
            new_kind=kind,
            new_template=template,
            new_options=options,
        )

    def remove_model(self, model: Model) -> None:
        """Take a model out; what is under it is removed bit by bit, as a job."""
        for statement in (_REMOVE_RANGES, _REMOVE_SHARES):
            self._db.change(statement, m=model.id)
        self._db.change(_REMOVE_MODEL, id=model.id)
        self._jobs.set(MODEL, model.id)
        self._db.narrowings += 1

    def remove_left(self, model: int) -> bool:
        """Remove a bit of what is under a model that was removed; whether there was anything."""
        return any(self._db.change(one, m=model) for one in _LEFT)

    def is_shared(self, model: int, vendor: int) -> bool:
        """Whether a model is shared with a vendor."""
        return self._db.one(_SHARED, m=model, v=vendor) is not None

    def shared_with(self, model: int) -> list[str]:
        """Vendors a model is shared with."""
        return [row[0] for row in self._db.all(_SHARED_WITH, m=model)]

    def shared_to(self, vendor: int) -> list[tuple[str, str]]:
        """Models shared with a vendor: ``[(owning vendor, model), ...]``."""
        return self._db.all(_SHARED_TO, v=vendor)

    def share_model(self, model: int, vendor: int) -> None:
        """Share a model with a vendor."""
        self._db.change(_ADD_SHARE, m=model, v=vendor)

    def unshare_model(self, model: int, vendor: int) -> None:
        """End a share."""
        self._db.change(_REMOVE_SHARE, m=model, v=vendor)
        self._db.narrowings += 1

    # --- serial numbers ---

    def serial(self, model: int, sn: str) -> Serial | None:
        """A serial number that was added, or enabled from a range."""
        row = self._db.one(_BY_SN, m=model, sn=sn)
        return Serial(*row) if row else None

    def serials(self, model: int, numbers: Sequence[str]) -> list[Serial]:
        """Which of some serial numbers there are; a few hundred at most."""
        if not numbers:
            return []
        padded = [*numbers, *[numbers[-1]] * (_MANY - len(numbers))]
        names = {f"sn{place}": sn for place, sn in enumerate(padded)}
        return [Serial(*row) for row in self._db.all(_BY_SNS, m=model, **names)]

    def serials_of(self, client: int) -> list[Serial]:
        """The serial numbers that lead to a client."""
        return [Serial(*row) for row in self._db.all(_BY_CLIENT, client=client)]

    def add_serials(
        self, model: int, entries: Iterable[tuple[str, str]], from_range: bool = False
    ) -> bool:
        """Add serial numbers with their extras; all, or none if one exists already."""
        place = self._db.one(_NEXT_PLACE, id=model)[0]
        rows = [
            (model, sn, extra, place + n, int(from_range)) for n, (sn, extra) in enumerate(entries)
        ]
        try:
            with self._db.atomic():
                self._db.change_many(_ADD_SERIAL, rows)
                self._db.change(_SET_PLACE, this=model, new_place=place + len(rows))
                for shelf, count in _shelved(row[3] for row in rows).items():
                    self._db.change(_COUNT_SHELF, m=model, s=shelf, n=count)
        except Taken:
            return False
        return True

    def set_client(self, serial: Serial, client: int | None, enabler: int | None) -> None:
        """Let a serial number lead to a client, or to none."""
        self._db.change(_SET_CLIENT, this=serial.id, new_client=client, new_enabler=enabler)

    def set_extra(self, serial: Serial, extra: str) -> None:
        """Turn a serial number that came from a range into one of its own."""
        self._db.change(_SET_EXTRA, this=serial.id, new_extra=extra)

    def remove_serial(self, serial: Serial) -> None:
        """Remove a serial number and its log."""
        self._db.change(_REMOVE_LOG, s=serial.id)
        self._db.change(_REMOVE_SERIAL, id=serial.id)
        self._db.change(_COUNT_SHELF, m=serial.model, s=serial.place // SHELF, n=-1)

    def start(self, model: int, offset: int) -> tuple[int, int] | None:
        """Where a page begins: after which place, and how many there are to be passed over."""
        skip = offset
        for shelf, count in self._db.all(_SHELVES, m=model):
            if skip < count:
                return shelf * SHELF - 1, skip
            skip -= count
        return None

    def page(self, model: int, after: int, limit: int) -> list[Serial]:
        """Serial numbers after a place, in the order they were added."""
        return [Serial(*row) for row in self._db.all(_PAGE, m=model, after=after, n=limit)]

    def skip(self, model: int, after: int, number: int) -> int | None:
        """The place so many serial numbers further on; None when there are not so many."""
        return _first(self._db.one(_SKIP, m=model, after=after, skip=number - 1))

    def page_of(self, model: int, vendor: int, after: int, limit: int) -> list[Serial]:
        """The same of those that a vendor enabled."""
        rows = self._db.all(_PAGE_OF, m=model, v=vendor, after=after, n=limit)
        return [Serial(*row) for row in rows]

    def skip_of(self, model: int, vendor: int, after: int, number: int) -> int | None:
        """The same of those that a vendor enabled."""
        return _first(self._db.one(_SKIP_OF, m=model, v=vendor, after=after, skip=number - 1))

    def ranges(self, model: int) -> list[Range]:
        """The ranges of a model."""
        return [Range(*row) for row in self._db.all(_RANGES, m=model)]

    def add_range(self, model: int, new: Range) -> None:
        """Add a range."""
        values = {name: getattr(new, name) for name in Range._fields if name != "id"}
        self._db.change(_ADD_RANGE, m=model, **values)

    def remove_range(self, old: Range) -> None:
        """Remove a range."""
        self._db.change(_REMOVE_RANGE, id=old.id)

    def log(self, serial: int, after: int, limit: int) -> list[tuple[int, int, str, str]]:
        """Activations after another one: ``[(number, time, peer, entry), ...]``."""
        return self._db.all(_LOG, s=serial, after=after, n=limit)

    def add_log(self, serial: int, time: int, peer: str, entry: str) -> None:
        """Note an activation."""
        self._db.change(_ADD_LOG, s=serial, t=time, peer=peer, entry=entry)


def _first(row: Any) -> Optional[int]:
    return None if row is None else int(row[0])


def _shelved(places: Iterable[int]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for place in places:
        counts[place // SHELF] = counts.get(place // SHELF, 0) + 1
    return counts
