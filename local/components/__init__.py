"""The component page: every component of the style sheets in every state, for designers.

The page is part of the application, but only in local mode. It renders the templates of the pages with sample data.
"""
