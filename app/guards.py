"""What a browser may do with an answer: nothing but show it. No other site may read or frame it."""

from __future__ import annotations

GUARDS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
HTTPS_STAYS = ("Strict-Transport-Security", "max-age=31536000")
