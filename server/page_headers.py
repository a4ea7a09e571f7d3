"""What a page of ours tells the browser: run nothing but our own files, and tell nobody."""

from __future__ import annotations

from collections.abc import Mapping

# Monaco, GraphiQL's editor, writes style elements and attributes: styles are the one thing that
# can't be pinned to files there. Its squiggles are pictures inside its style sheet.
GRAPHIQL_POLICY: Mapping[str, str] = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "worker-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


def page_headers(policy: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a page under this content security policy."""
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
