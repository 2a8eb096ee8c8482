"""What people notice of strangers, as a table and in sentences."""

from __future__ import annotations

from tests.bench import overload, silent
from tests.bench.overload import OverloadSample
from tests.bench.peers import Ours
from tests.bench.silent import Flood, Passing, SilentSample
from tests.bench.tables import middle, show, table, times


def overload_table(samples: list[OverloadSample]) -> str:
    """Compare what people had to wait, alone and among strangers."""
    rows = []
    for peer in dict.fromkeys(sample.peer for sample in samples):
        parts = ("idle.p50", "idle.p99", "loaded.p50", "loaded.p99")
        found = [show(overload.middle(samples, peer, part)) for part in parts]
        rows.append([
            peer,
            *found,
            times(overload.middle(samples, peer, "ratio")),
            str(sum(sample.loaded.refused + sample.loaded.lost for sample in samples if sample.peer == peer)),
            show(overload.middle(samples, peer, "pages")),
            times(overload.better_than(samples, peer) if peer != Ours.name else None),
        ])  # fmt: skip
    among = f"among {overload.STRANGERS} strangers: p50"
    head = [f"{overload.PEOPLE} people's ms alone: p50", "p99", among, "p99", "p99 to alone", "clicks in vain"]
    return table(["server", *head, "strangers' pages/s", "p99 to ours"], rows)


def crowds(silence: list[SilentSample], floods: list[Flood], passing: list[Passing]) -> list[str]:
    """Say what the silent cost, the crowd at one page, and those who come once."""
    lines = []
    if silence:
        memory = middle(sample.memory for sample in silence)
        p50, p99 = (times(silent.ratio(silence, part)) for part in ("p50", "p99"))
        lines.append(
            f"Beside {silent.SLOW:,} slow and {silent.IDLE:,} idle connections of {show(memory)} KiB each, pages take "
            f"{p50} as long (p50), {p99} (p99)."
        )
    lines += [
        f"{flood.requests:,} requests of {silent.FLOODERS} clients for one page in {show(flood.seconds)} s: "
        f"{flood.renderings} renderings in {flood.periods} periods of the cache at the most."
        for flood in floods
    ]
    lines += [
        f"{each.addresses:,} addresses that came once in {show(each.seconds)} s: the front had {each.early:.1f} MB "
        f"after a quarter of that time, {each.late:.1f} MB at the end."
        for each in passing
    ]
    return lines
