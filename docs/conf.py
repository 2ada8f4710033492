"""The documentation as a site. `make docs` builds it and fails on warnings and dead links."""

project = "Buildappswith profiles"
copyright = "Buildappswith"  # noqa: A001  # Sphinx reads this name
html_title = project
html_theme = "furo"
html_show_sphinx = False

extensions = ["myst_parser"]
myst_heading_anchors = 4
exclude_patterns = ["_build"]
