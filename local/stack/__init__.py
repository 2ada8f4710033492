"""Everything `make run` needs to run the whole product on one machine. Production uses none of it."""
