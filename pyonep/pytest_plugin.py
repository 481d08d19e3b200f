"""A fixture for the tests of applications that are built on pyonep.

pytest finds it when pyonep is installed::

    def test_reports_its_temperature(one_platform):
        device = one_platform.device()
        my_application.run(device.cik)  # speaks to m2.exosite.com, it thinks
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .server import LocalPlatform

__all__ = ["one_platform"]


@pytest.fixture
def one_platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalPlatform]:
    """A clean local One Platform for this test, in memory.

    As long as the test runs, ``PYONEP_ENDPOINT`` names it: what the application sends to
    the hosted service comes here.
    """
    from .server import LocalPlatform

    with LocalPlatform() as platform:
        monkeypatch.setenv("PYONEP_ENDPOINT", platform.endpoint)
        yield platform
