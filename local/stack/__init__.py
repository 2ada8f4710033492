"""The processes of `make run`, which are not used in production."""
