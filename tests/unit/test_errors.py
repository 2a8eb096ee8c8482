"""Every fault has its status."""

from __future__ import annotations

from tracd_cluster import errors


def test_every_fault_that_reaches_a_client_has_a_status() -> None:
    """No client ever sees a fault of ours without a proper status."""
    leaves = [cls for base in (errors.WorkerFault, errors.LineFault) for cls in base.__subclasses__()]
    assert leaves
    for cls in leaves:
        assert errors.status_of(cls("why")) in (502, 503, 504)
    assert 414 == errors.status_of(errors.ClientFault(414, "long"))
    assert (403, "kind") == (errors.status_of(errors.SignInWanted("/login")), errors.SignInWanted.refused_for)
    assert 500 == errors.status_of(errors.TracdClusterError("bug"))
