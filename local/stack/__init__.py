"""The processes of `make run`. Production uses none of them."""
