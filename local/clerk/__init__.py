"""A stand-in for Clerk on your own machine: its users, and its signed webhooks. Reached only over HTTP, like Clerk.

It imports nothing of the product, and the product imports nothing of it. Production never runs it.
"""
