"""Makes ``from pyonep import onep`` work when this folder itself is on sys.path.

Python then finds this file as the module ``pyonep``; giving it a ``__path__``
turns it into the package.
"""

from __future__ import annotations

import os

__path__ = [os.path.dirname(os.path.abspath(__file__))]

with open(os.path.join(__path__[0], "__init__.py"), encoding="utf-8") as _init:
    __package__ = __name__
    exec(compile(_init.read(), _init.name, "exec"))
