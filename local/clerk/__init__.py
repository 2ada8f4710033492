"""A stand-in for Clerk on this machine, with users and signed webhooks. Like Clerk, it is used only over HTTP.

It imports nothing of the product, and the product imports nothing of it. Production never runs it.
"""
