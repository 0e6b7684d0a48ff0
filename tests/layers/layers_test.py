"""The rules that keep the building standing: who may include whom, whose headers stand where, and
where SQL may be written."""

import re
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parent.parent.parent / "src"

# What each module may include besides itself. A module that is not named here may not exist.
BELOW = {
    "base": set(),
    "db": {"base"},
    "http": {"base"},
    "blob": {"base"},
    "git": {"base"},
    "metrics": {"base"},
    "cards": {"base"},
    "models": {"base"},
    "pages": {"base"},
    "xet": {"base", "db", "blob"},
    "hub": {"base", "db", "git", "blob", "xet", "cards", "models"},
    "api": {"base", "metrics", "db", "http", "git", "blob", "xet", "cards", "models", "pages", "hub"},
    "backup": {"base", "db", "blob", "git", "xet"},
    "app": {"base", "metrics", "db", "http", "git", "blob", "xet", "cards", "models", "pages", "hub", "api", "backup"},
}

# Headers of libraries, and the modules whose sources may name them: one, but for zlib, which packs
# both answers and git objects.
OWNERS = {
    r"boost/(asio|beast)": "http",
    r"boost/json": "base",
    r"sqlite3\.h": "db",
    r"libpq-fe\.h": "db",
    r"git2(/|\.h)": "git",
    r"yaml\.h": "cards",
    r"argon2\.h": "hub",
    r"roaring/": "hub",
    r"blake3\.h": "xet",
    r"lz4": "xet",
    r"CLI/": "app",
    r"spdlog/": "base",
    r"prometheus/": "metrics",
    r"openssl/ssl\.h": "http",
    r"zlib\.h": ("http", "git"),
}

STATEMENT = re.compile(
    r'"\s*(SELECT\s+[\w*(]|INSERT\s+INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|CREATE\s+(TABLE|INDEX|VIRTUAL)|ALTER\s+TABLE)')

FILES = sorted(path for path in SRC.rglob("*") if path.suffix in (".h", ".cc"))


def includes_of(path: Path) -> list[str]:
    return re.findall(r'^#include [<"]([^">]+)[">]', path.read_text(), re.MULTILINE)


def module_of(path: Path) -> str:
    return path.relative_to(SRC).parts[0]


def test_every_module_has_its_place():
    assert {module_of(path) for path in FILES} <= set(BELOW)


@pytest.mark.parametrize("module", sorted(BELOW))
def test_a_module_includes_only_what_stands_below_it(module):
    wrong = []
    for path in FILES:
        if module_of(path) != module:
            continue
        for name in includes_of(path):
            other = name.split("/")[0]
            is_test = path.stem.endswith("_test")
            if other in BELOW and other != module and other not in BELOW[module]:
                if not (is_test and (other, module) in {("db", "hub")}):
                    wrong.append(f"{path.relative_to(SRC)} includes {name}")
    assert not wrong


def test_a_librarys_headers_stand_in_its_own_module_only():
    wrong = []
    for path in FILES:
        relative = str(path.relative_to(SRC))
        for name in includes_of(path):
            for pattern, owner in OWNERS.items():
                owners = (owner,) if isinstance(owner, str) else owner
                if re.match(pattern, name) and module_of(path) not in owners:
                    wrong.append(f"{relative} includes {name}")
    assert not wrong


def test_headers_of_http_show_nothing_of_asio():
    public = SRC / "http" / "http.h"
    seen, left = set(), [public]
    while left:
        path = left.pop()
        for name in includes_of(path):
            assert not name.startswith("boost/asio") and not name.startswith("boost/beast"), path
            found = SRC / name
            if found.exists() and found not in seen:
                seen.add(found)
                left.append(found)


def test_sql_stands_in_stores_only():
    wrong = []
    for path in FILES:
        allowed = path.stem.endswith(("_store", "_test")) or module_of(path) == "db"
        if not allowed and STATEMENT.search(path.read_text()):
            wrong.append(str(path.relative_to(SRC)))
    assert not wrong


def test_gcc_extensions_and_forbidden_words_are_absent():
    wrong = []
    for path in FILES:
        text = path.read_text()
        for word in ("using namespace ", "std::regex", "TODO", "FIXME"):
            if word in text:
                wrong.append(f"{path.relative_to(SRC)} holds '{word}'")
    assert not wrong


def test_every_parser_of_foreign_bytes_has_a_fuzzer():
    fuzzers = {path.stem for path in SRC.rglob("*_fuzz.cc")}
    assert len(fuzzers) >= 8, fuzzers


# Read by a helper for every row that lists them: what the name stands for, and where it is read.
SHARED_PARAMETERS = {"kCursorParameter": "cursor", "kExpandParameter": "expand", "kLinkRepo": "repo", "kLinkWho": "who",
                     "kLinkExpiry": "exp", "kLinkSignature": "sig"}
READ_ELSEWHERE = {"listing_routes.cc": "hub/listing.cc", "lfs_routes.cc": "api/signed_link.cc"}


def parameters_read(text: str) -> set[str]:
    pairs = re.findall(r'\bquery\.(?:get|get_all|has|flag|number)\(\s*"(\w+)"|\bcomma_list\(query, "(\w+)"', text)
    return {first or second for first, second in pairs}


def test_rows_list_what_their_handlers_read_of_the_query():
    """A handler is given no other parameter (Call::set_route), and the OpenAPI document tells the lists."""
    wrong, seen = [], 0
    for path in sorted((SRC / "api").glob("*_routes.cc")):
        text = path.read_text()
        listed = set(re.findall(r'QueryParameter(?: \w+)?\{\s*\.name = "(\w+)"', text))
        listed |= {name for constant, name in SHARED_PARAMETERS.items() if re.search(rf"\b{constant}\b", text)}
        read = parameters_read(text)
        if path.name in READ_ELSEWHERE:
            read |= parameters_read((SRC / READ_ELSEWHERE[path.name]).read_text())
            if path.name == "lfs_routes.cc":
                read.add("sig")  # Cut off the end of the query as it came.
        wrong += [f"{path.name} lists '{name}', which nothing reads" for name in sorted(listed - read)]
        wrong += [f"{path.name} reads '{name}', which no row lists" for name in sorted(read - listed)]
        seen += len(listed)
    assert wrong == []
    assert seen > 30
