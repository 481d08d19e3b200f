"""Who manages: the vendor that calls, and the models that it may work on."""

from __future__ import annotations

from ..store import Model, Node, Vendor
from . import access
from .access import Grounds
from .errors import Forbidden, NoSuchModel, NotFound, Unauthorized
from .unit import Unit


class Manager:
    """A vendor that calls, and whose models it speaks of.

    Args:
        vendor: The vendor that calls.
        owner: Whose models: its own, or those that another vendor shares with it.
        grounds: What the request stands on; what is found is added to them.
    """

    def __init__(self, vendor: Vendor, owner: Vendor, grounds: Grounds) -> None:
        self.vendor = vendor
        self.owner = owner
        self.grounds = grounds

    @property
    def is_guest(self) -> bool:
        """Whether the models are another vendor's, shared with the caller."""
        return self.vendor.id != self.owner.id

    def require_owner(self) -> None:
        """See that the caller speaks of its own models.

        Raises:
            Forbidden: It does not.
        """
        if self.is_guest:
            raise Forbidden("not open to vendors that a model is shared with")

    def model(self, unit: Unit, name: str) -> Model:
        """A model that the caller may work on, as long as the request goes on.

        Raises:
            Forbidden: It is another vendor's, and not shared with the caller.
            NotFound: There is none of that name.
        """
        model = self._model(unit, name)
        self.grounds["model", model.id] = (self._check_model, unit, model)
        return model

    def _model(self, unit: Unit, name: str) -> Model:
        model = unit.devices.model(self.owner.id, name)
        if self.is_guest and not (model and unit.devices.is_shared(model.id, self.vendor.id)):
            raise Forbidden("the model is not shared with this vendor")
        if model is None:
            raise NoSuchModel("no such model")
        return model

    def _check_model(self, unit: Unit, model: Model) -> None:
        if self._model(unit, model.name).id != model.id:
            raise NotFound("the model was removed meanwhile")


def manager(unit: Unit, vendor: Vendor, owner: str, grounds: Grounds) -> Manager:
    """A vendor that calls, and the one whose models it speaks of.

    Args:
        unit: The work that this is part of.
        vendor: The vendor that calls.
        owner: Name of the vendor whose models it speaks of; empty for its own.
        grounds: What the request stands on.

    Raises:
        Forbidden: There is no such vendor, or it may not act itself.
    """
    return Manager(vendor, _owner(unit, vendor, owner), grounds)


def _owner(unit: Unit, vendor: Vendor, named: str) -> Vendor:
    if not named or named == vendor.name:
        return vendor
    owner = unit.devices.vendor(named)
    if owner is None:
        raise Forbidden("nothing is shared by that vendor")
    try:
        client_of(unit, owner)
    except (Unauthorized, Forbidden) as error:
        raise Forbidden("what that vendor shares rests: it may not act itself") from error
    return owner


def vendor_of(unit: Unit, client: Node) -> Vendor:
    """The vendor that is registered to a client.

    Raises:
        Forbidden: None is.
    """
    vendor = unit.devices.vendor_of(client.id)
    if vendor is None:
        raise Forbidden("no vendor is registered to this client")
    return vendor


def vendor_by_token(unit: Unit, token: str) -> Vendor:
    """The vendor that a token stands for, as long as it may act.

    Raises:
        Unauthorized: There is none, or the key of its client may not be used.
        Forbidden: Its client is locked.
    """
    vendor = unit.devices.vendor_by_token(token)
    if vendor is None:
        raise Unauthorized
    client_of(unit, vendor)
    return vendor


def client_of(unit: Unit, vendor: Vendor) -> Node:
    """The client of a vendor, as long as it may act: tokens and shares rest with it.

    Raises:
        Unauthorized: It is gone, or its key may not be used.
        Forbidden: It is locked.
    """
    return access.admitted(unit, unit.resources.by_id(vendor.client))
