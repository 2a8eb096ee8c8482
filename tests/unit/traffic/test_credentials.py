"""Who may be signed in."""

from __future__ import annotations

import pytest

from tracd_cluster.traffic.credentials import may_be_signed_in


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], False),
        ([b"Host: x\r\n", b"User-Agent: trac_auth=x\r\n"], False),
        ([b"Cookie: \r\n"], False),
        ([b"cookie: trac_session=1; trac_form_token=2;trac_visit=trac_auth\r\n"], False),
        ([b"Cookie: trac_auth=1\r\n"], True),
        ([b"Cookie: trac_session=1;trac_auth=1\r\n"], True),
        ([b"Cookie: trac_session=1\r\n", b"COOKIE: trac_auth=1\r\n"], True),
        ([b"Cookie: of_a_plugin=1\r\n"], True),
        ([b"Cookie: trac_auth\r\n"], True),
    ],
)
def test_cookies_that_everybody_gets_say_nothing(lines: list[bytes], expected: bool) -> None:
    """Any other one may be a plugin's."""
    assert may_be_signed_in(lines, None) is expected


def test_a_password_may_be_for_a_plugin() -> None:
    """Where the front does not ask for any."""
    assert may_be_signed_in([], b"Basic YTpi")
