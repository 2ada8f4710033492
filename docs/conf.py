"""The documentation as a site: `make docs` builds it, and fails on every warning and dead link."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent

project = "Buildappswith profiles"
copyright = "Buildappswith"  # noqa: A001  # the name that Sphinx reads
html_title = project
html_theme = "furo"
html_static_path: list[str] = []
html_show_sphinx = False

extensions = ["myst_parser"]
myst_heading_anchors = 4
exclude_patterns = ["_build", "monitoring/openmetrics.d"]
nitpicky = True
