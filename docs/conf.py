"""How Sphinx builds the documentation."""

from importlib.metadata import version as version_of

project = "pyonep"
version = release = version_of("pyonep")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["build"]
html_theme = "furo"
html_title = f"pyonep {release}"
html_show_copyright = False

default_role = "py:obj"  # docstrings name other objects in single backticks
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
napoleon_numpy_docstring = False
napoleon_use_ivar = True
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
