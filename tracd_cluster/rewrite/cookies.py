"""Cookies on their way out: what a browser should know of them, where the worker has not said it."""

from __future__ import annotations

from enum import Enum


class Cookies(Enum):
    """What is done to the cookies of an answer."""

    AS_THEY_ARE = "nothing"
    LAX = "SameSite"
    SECURE = "SameSite and Secure"


def harden(cookie: bytes, secure: bool) -> bytes:
    """Add ``SameSite=Lax`` to the value of a Set-Cookie field, and ``Secure`` where it goes by TLS.

    What a worker has said itself stays (RFC 6265bis, sections 4.1.2.5 and 4.1.2.7). Lax keeps the cookie from being
    sent with forms that other sites post, and lets links from them arrive signed in.
    """
    names = {attribute.partition(b"=")[0].strip().lower() for attribute in cookie.split(b";")[1:]}
    if secure and b"secure" not in names:
        cookie += b"; Secure"
    if b"samesite" not in names:
        cookie += b"; SameSite=Lax"
    return cookie
