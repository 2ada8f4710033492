"""Emails to users.

`kinds` contains the registry of kinds, `send` stores and sends notifications, `preferences` contains the users' choices,
and `unsubscribe` the links that turn a kind off. Apps register their kinds in `AppConfig.ready`.
"""
