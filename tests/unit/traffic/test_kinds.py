"""What a request asks for, however it is written."""

from __future__ import annotations

import re
from time import thread_time
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.settings.kinds import KINDS
from tracd_cluster.traffic.kinds import MARKS, Kinds

ONE = Kinds()
MANY = Kinds(b"/trac", single=False)
ELSEWHERE = Kinds(single=None)

EXAMPLES = [
    (b"/", ""),
    (b"", ""),
    (b"/wiki/WikiStart", ""),
    (b"/wiki/changeset", ""),
    (b"/wiki/TracQuery?version=3", ""),
    (b"/ticket/1", ""),
    (b"/blog", ""),
    (b"/login?referer=/changeset/1", ""),
    (b"/chrome/common/js/query.js", ""),
    (b"/browser/trunk", ""),
    (b"/browser?rev=", ""),
    (b"/browser/trunk?order=size&rev=12", "revision"),
    (b"/browser/trunk/a.py?annotate=blame&rev=3", "annotate"),
    (b"/browser/trunk?rev=7&format=zip", "archive"),
    (b"/browser/trunk/a.py?format=raw", "export"),
    (b"/export/12/trunk/a.py", "export"),
    (b"/zip-attachment/wiki/Start/", "archive"),
    (b"/raw-attachment/wiki/Start/a.png", ""),
    (b"/changeset/42", "changeset"),
    (b"/changeset/42/trunk", "changeset"),
    (b"/changeset/42?format=zip", "archive"),
    (b"/changeset/42?format=diff", "diff"),
    (b"/changeset?new=2&old=1", "diff"),
    (b"/diff", "diff"),
    (b"/wiki/Start?action=diff&version=7", "diff"),
    (b"/log/trunk?rev=3&verbose=on", "log"),
    (b"/timeline", "timeline"),
    (b"/timeline?ticket=on&format=rss", "feed"),
    (b"/query?status=!closed", "query"),
    (b"/query?status=!closed&format=csv", "export"),
    (b"/ticket/1?format=tab", "export"),
    (b"/report", "report"),
    (b"/report/3", "report"),
    (b"/search?q=a", "search"),
    (b"/reports", ""),
]


@pytest.mark.parametrize(("target", "kind"), EXAMPLES)
def test_trac_s_slow_pages_are_known(target: bytes, kind: str) -> None:
    """In a site of one project, in one of several below a base path, and on a server that nobody knows."""
    assert kind == ONE.kind_of(target)
    assert kind == MANY.kind_of(b"/trac/project" + target)
    assert kind == ELSEWHERE.kind_of(target)
    assert kind == ELSEWHERE.kind_of(b"/project" + target)


def test_a_project_may_be_called_like_a_module() -> None:
    """Where there are several, the first segment is nothing but a name."""
    assert not MANY.kind_of(b"/trac/search")
    assert not MANY.kind_of(b"/trac/search/wiki")
    assert "search" == MANY.kind_of(b"/trac/search/search?q=")


@pytest.mark.parametrize(
    "target",
    [
        b"/%63hangeset/42",
        b"/chan%67eset",
        b"/changeset%2F42",
        b"%2Fchangeset%2f42",
        b"//changeset//42",
        b"/changeset%0A",
        b"/changeset/",
        b"/changeset?",
        b"/changeset/42?a=b&&&c",
    ],
)
def test_other_spellings_of_a_path_are_the_same_page(target: bytes) -> None:
    """Trac sees them decoded."""
    assert "changeset" == ONE.kind_of(target)
    assert "changeset" == MANY.kind_of(b"/trac/project" + target.replace(b"%2Fch", b"/ch"))


@pytest.mark.parametrize(
    "query", [b"format=zip", b"a&format=zip", b"f%6Frmat=zip", b"?format=zip", b"format=%7Aip", b"format=x&format=zip",
              b"format=zip&format=", b"rev=1&a=%26&%66ormat=zip#"[:-1]],
)  # fmt: skip
def test_other_spellings_of_a_query_are_the_same_page(query: bytes) -> None:
    """In any order, with escapes, and twice."""
    assert "archive" == ONE.kind_of(b"/browser?" + query)
    assert "archive" == ONE.kind_of(b"/anything/else?" + query)


@pytest.mark.parametrize("query", [b"q=format=zip", b"q=%26format=zip", b"xformat=zip", b"format", b"format=&a=zip"])
def test_what_only_looks_like_an_argument_is_none(query: bytes) -> None:
    """The words of a search are not its form."""
    assert "search" == ONE.kind_of(b"/search?" + query)
    assert not ONE.kind_of(b"/wiki/a?" + query)


PIECES = st.sampled_from(
    [b"format", b"f%6frmat", b"zip", b"rss", b"rev", b"annotate", b"action", b"diff", b"old", b"=", b"=", b"&", b"&",
     b"?", b"%26", b"%3d", b"%", b"+", b"x"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map(b"".join))
def test_a_query_is_read_as_trac_reads_it(query: bytes) -> None:
    """An argument that Trac finds is found, and no other one."""
    from trac.web.api import parse_arg_list

    try:
        theirs = {(name, value) for name, value in parse_arg_list(query.decode()) if value}
    except UnicodeDecodeError:
        return  # which is a bad request to Trac
    kind = ONE.kind_of(b"/browser?" + query)
    if ("format", "zip") in theirs:
        assert "archive" == kind
    elif ("format", "rss") in theirs:
        assert "feed" == kind
    else:
        names = {name for name, _ in theirs}
        fitting = [kind for name, kind in (("annotate", "annotate"), ("rev", "revision")) if name in names]
        if ("action", "diff") in theirs or ("format", "diff") in theirs:
            fitting = [*fitting[: "annotate" in names], "diff"]
        elif "format" in names:
            fitting = [*fitting[: "annotate" in names], "export"]
        assert (fitting or [""])[0] == kind


TRACS_PATTERNS = {
    "changeset": re.compile(r"/changeset(?:/([^/]+)(/.*)?)?$"),
    "log": re.compile(r"/log(/.*)?$"),
    "export": re.compile(r"/(export)(/.*)?$"),
    "timeline": re.compile(r"/timeline\Z"),
    "query": re.compile(r"/query\Z"),
    "report": re.compile(r"/report(?:/(?:([0-9]+)|-1))?$"),
    "search": re.compile(r"/search(?:/opensearch)?$"),
    "diff": re.compile(r"/diff\Z"),
}
"""As they stand in Trac 1.6, at each match_request."""

SEGMENTS = st.sampled_from(
    [b"changeset", b"log", b"export", b"timeline", b"query", b"report", b"search", b"diff", b"/", b"/", b"/", b"%2F",
     b"%2f", b"1", b"x", b"%0A", b"%6cog", b"?", b"%"]
)  # fmt: skip


@given(st.lists(SEGMENTS, max_size=8).map(b"".join))
def test_no_spelling_hides_a_page_from_us_that_trac_finds(path: bytes) -> None:
    """What one of Trac's patterns takes is of that kind."""
    target = b"/" + path
    seen = unquote_to_bytes(target.partition(b"?")[0]).decode("latin-1")
    for kind, pattern in TRACS_PATTERNS.items():
        if pattern.match(seen):
            assert kind == ONE.kind_of(target)
    first, *rest = seen.lstrip("/").split("/")
    for kind, pattern in TRACS_PATTERNS.items():
        if first and pattern.match("/" + "/".join(rest)):
            assert kind == MANY.kind_of(b"/trac" + target)


@given(st.binary(max_size=60))
def test_anything_may_come(target: bytes) -> None:
    """No target is too odd."""
    for kinds in (ONE, MANY, ELSEWHERE):
        assert kinds.kind_of(b"/trac/" + target) in {"", *KINDS}
        assert len(kinds.route_of(b"/trac/" + target)) < 50
        kinds.project_of(b"/trac/" + target).encode("ascii")


@pytest.mark.parametrize(
    "piece", [b"%2F", b"/", b"&", b"format&", b"%66ormat&", b"&rev=1", b"a%", b"?", b"/changeset", b"%%%=", b"x" * 50]
)
def test_a_long_target_costs_no_more_than_its_length(piece: bytes) -> None:
    """Eight times the length never takes thirty times the time, as it would if anything went back and forth."""

    def cost(size: int) -> float:
        target = b"/browser?" + piece * (size // len(piece))
        path = b"/" + piece.replace(b"?", b"") * (size // len(piece))
        return min(_spent(target, path) for _ in range(3))

    assert cost(1 << 16) < 30 * max(cost(1 << 13), 1e-4)


def _spent(*targets: bytes) -> float:
    begin = thread_time()
    for target in targets:
        ONE.kind_of(target)
        MANY.route_of(target)
    return thread_time() - begin


@pytest.mark.parametrize(
    ("target", "one", "many"),
    [
        (b"/trac/project/changeset/1", "/trac", "/changeset"),
        (b"/trac/project", "/trac", "/"),
        (b"/trac/pro%20ject/a%2Fb/c?x", "/trac", "/a"),
        (b"/trac/", "/trac", ""),
        (b"/trac/project/" + b"b" * 41, "/trac", ""),
        (b"/trac/project/%3Cscript%3E", "/trac", ""),
    ],
)
def test_routes_are_modules(target: bytes, one: str, many: str) -> None:
    """The first segment of the path below the project, if it could be the name of one."""
    assert one == ONE.route_of(target)
    assert many == MANY.route_of(target)


@pytest.mark.parametrize(
    ("kinds", "target", "project"),
    [
        (ONE, b"/changeset/1", ""),
        (Kinds(b"/trac"), b"/trac/changeset/1", "/trac"),
        (MANY, b"/trac/project/changeset/1", "/trac/project"),
        (MANY, b"/trac//pro%20ject%2Fchangeset/1", "/trac/pro%20ject"),
        (MANY, b"/trac/p%0d%0A\xff/changeset", "/trac/p%0D%0A%FF"),
        (ELSEWHERE, b"/changeset/1", ""),
        (ELSEWHERE, b"/project/changeset/1", "/project"),
    ],
)
def test_the_project_s_path_is_known(kinds: Kinds, target: bytes, project: str) -> None:
    """Where its login is."""
    assert project == kinds.project_of(target)


def test_all_kinds_that_there_are_can_be_known() -> None:
    """And they are told in the order in which they are looked for."""
    assert list(KINDS) == list(dict.fromkeys(mark.kind for mark in MARKS))
