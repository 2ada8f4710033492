"""Sphinx configuration for `make docs`, which builds the documentation as a site."""

project = "Buildappswith profiles"
copyright = "Buildappswith"  # noqa: A001  # Sphinx reads this name
html_title = project
html_theme = "furo"
html_show_sphinx = False

extensions = ["myst_parser"]
myst_heading_anchors = 4
exclude_patterns = ["_build"]
