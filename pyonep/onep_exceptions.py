"""Another name of `pyonep.exceptions`.

The guide for 0.3 promises that scripts written for onepv1lib need only the new package
name, and those import this one.
"""

from __future__ import annotations

import sys

from . import exceptions

sys.modules[__name__] = exceptions
