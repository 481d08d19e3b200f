"""Makes ``from pyonep import onep`` work when this folder itself is on sys.path.

Python then finds this file under the name of the package; it puts the real package
in its own place.
"""

from __future__ import annotations

import importlib.util
import os
import sys

if __name__ == "pyonep":
    _folder = os.path.dirname(os.path.abspath(__file__))
    _spec = importlib.util.spec_from_file_location(
        "pyonep", os.path.join(_folder, "__init__.py"), submodule_search_locations=[_folder]
    )
    assert _spec is not None and _spec.loader is not None
    _package = importlib.util.module_from_spec(_spec)
    sys.modules["pyonep"] = _package
    _spec.loader.exec_module(_package)
