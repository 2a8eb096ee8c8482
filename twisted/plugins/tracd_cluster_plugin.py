"""Tells twistd of the command ``tracd-cluster``."""

from twisted.application.service import ServiceMaker

tracd_cluster = ServiceMaker(
    "tracd-cluster", "tracd_cluster.tap", "Trac over HTTP: a front and a pool of warm workers.", "tracd-cluster"
)
