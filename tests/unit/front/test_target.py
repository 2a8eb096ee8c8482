"""Targets: what lies inside the base path."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.errors import ClientFault
from tracd_cluster.front.target import check_path, inside


def test_inside_means_on_the_border_of_a_segment() -> None:
    """/base is not the beginning of /basement."""
    assert inside(b"/base", b"/base")
    assert inside(b"/base/", b"/base")
    assert inside(b"/anything", b"")
    assert not inside(b"/basement", b"/base")
    assert not inside(b"/", b"/base")


@given(st.lists(st.sampled_from([b"/", b"..", b".", b"%2e", b"%2E", b"%2f", b"a", b"%61", b"?"]), max_size=12))
def test_no_spelling_of_a_dot_segment_passes(parts: list[bytes]) -> None:
    """Whatever is accepted has no dot segment for any reader, even one that decodes it."""
    target = b"/" + b"".join(parts)
    try:
        path = check_path(target)
    except ClientFault:
        return
    decoded = path.replace(b"%2e", b".").replace(b"%2E", b".").replace(b"%2f", b"/").replace(b"%2F", b"/")
    assert not {b".", b".."} & set(decoded.split(b"/"))
