"""The passthrough: relays a coding agent's model traffic to the bridge, as if it were not there.

A request meets the modules in this order: `handler` (the ASGI endpoint), `slots`, `callers` and
`rate` (may it pass), `target` and `headers` (what the upstream is asked), `relay` or `websocket`
(bytes both ways: `inbound` from the client, `outbound` to it), over the connections of `upstream`.
What we answer ourselves is in `answers`, what the upstream did wrong goes through `failures`.
"""
