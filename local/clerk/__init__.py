"""A stand-in for Clerk on this machine, with users and signed webhooks. Like Clerk, it is used only over HTTP. The
stand-in and the product do not import each other.
"""
