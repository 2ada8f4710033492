"""All code that depends on Clerk's APIs and wire formats. docs/clerk.md explains Clerk's terms.

* Sign-in: `authentication` identifies the user of a request, with `cookies`, `tokens`, `jwks` and `handshake`.
* Webhooks: `payloads` and `fields` parse events and users.
* Backend API: `api` calls Clerk through `http`, `rate_limiter` limits the requests, and `instance_guard` verifies the
    secret key.
* `instance` describes the configured Clerk instance, `diagnostics` checks the connection, and `samples` contains test
    data.
"""
