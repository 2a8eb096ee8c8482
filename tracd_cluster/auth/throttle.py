"""Failed logins from one address slow down, so that passwords cannot be guessed at speed."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv6Address

FREE_FAILURES = 5
"""Failures without a wait: people mistype, and try the passwords they have."""

LONGEST_STEP = 8.0
"""Seconds. The wait doubles from 1 up to this: some 10 000 guesses a day, against a password of any worth nothing."""

MOST_DELAY = 10.0
"""Seconds. Nobody is held longer: browsers and proxies give up at 30 or 60, and a held connection costs memory."""

FORGET_AFTER = 600.0
"""Seconds after the last failure. To wait until the first ones are free again gains nothing: that makes 5 guesses
where the longest step allows 75. For somebody who shares the address it is soon over."""

_IPV6_KEPT = 64
"""Bits that tell one network of clients from another: whoever has one address of a /64 has them all (RFC 4291)."""


def key_of(address: str) -> str:
    """Name whoever an address stands for: an IPv4 address, an IPv6 network of 64 bits, or else ``unix``.

    An IPv4 address may be written as an IPv6 one (RFC 4291 section 2.5.5.2). What is no address came by a Unix
    socket, from a proxy that did not say for whom: all of that counts as one.
    """
    try:
        return str(IPv4Address(address))
    except AddressValueError:
        pass
    try:
        six = IPv6Address(address)
    except AddressValueError:
        return "unix"
    if six.ipv4_mapped is not None:
        return str(six.ipv4_mapped)
    host_bits = 128 - _IPV6_KEPT
    return f"{IPv6Address(int(six) >> host_bits << host_bits)}/{_IPV6_KEPT}"


class _Failures:
    """Failures from one address: how many, when the last was, and up to when its attempts are spread out."""

    __slots__ = ("booked", "count", "last")

    def __init__(self) -> None:
        self.count = 0
        self.last = 0.0
        self.booked = 0.0

    @property
    def step(self) -> float:
        """Seconds between one attempt and the next."""
        over = self.count - FREE_FAILURES
        return 0.0 if over < 0 else min(2.0 ** min(over, 10), LONGEST_STEP)


class Throttle:
    """Remembers who failed to log in, and how long they have to wait.

    Only failures count and only time clears them: a login that succeeds does not, or somebody with an account could
    guess at all the others' between two logins of their own. All times are seconds of a monotonic clock.

    ``limit`` is the number of addresses remembered. They stand in the order of their last failures; the first goes
    when there are more, and when it is old enough to be forgotten.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self.limit = limit
        self._failures: dict[str, _Failures] = {}

    def __repr__(self) -> str:
        return f"<Throttle {len(self._failures)} of {self.limit} addresses>"

    def failed(self, address: str, now: float) -> None:
        """Note that a user and password from this address were wrong."""
        self._forget(now)
        key = key_of(address)
        failures = self._failures.pop(key, None) or _Failures()
        failures.count += 1
        failures.last = now
        self._failures[key] = failures
        if len(self._failures) > self.limit:
            del self._failures[next(iter(self._failures))]

    def delay(self, address: str, now: float) -> float | None:
        """Give the seconds that an attempt from this address has to wait before it is checked, 0.0 for none.

        Each call books the time it gives: attempts over many connections at once are put one behind another. None,
        and nothing booked, if that is more than MOST_DELAY: the attempt is to be refused with 429 (RFC 6585
        section 4), and after MOST_DELAY one will be taken again.
        """
        self._forget(now)
        failures = self._failures.get(key_of(address)) if self._failures else None
        if failures is None or not failures.step:
            return 0.0
        at = max(now, failures.booked) + failures.step
        if at > now + MOST_DELAY:
            return None
        failures.booked = at
        return at - now

    def check_invariants(self) -> None:
        """Raise AssertionError unless the table is bounded and in the order of the last failures."""
        assert len(self._failures) <= self.limit
        lasts = [failures.last for failures in self._failures.values()]
        assert lasts == sorted(lasts)
        assert all(failures.count >= 1 for failures in self._failures.values())

    def _forget(self, now: float) -> None:
        while self._failures:
            key, failures = next(iter(self._failures.items()))
            if failures.last >= now - FORGET_AFTER:
                return
            del self._failures[key]
