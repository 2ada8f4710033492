"""Everything that knows Clerk's APIs and wire formats. docs/clerk.md explains Clerk's terms.

* Sign-in: `authentication` decides who a request belongs to, with `cookies`, `tokens`, `jwks` and `handshake`.
* Webhooks: `payloads` and `fields` parse events and users.
* Backend API: `api` calls Clerk by `http`, `rate_limiter` limits the requests, and `instance_guard` verifies the secret key.
* `instance` describes the configured Clerk instance, `diagnostics` checks the connection, and `samples` holds test data.
"""
