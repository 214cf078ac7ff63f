"""Each check finds what it is for, and nothing in what is sound."""

from pathlib import Path

import documents
import formatting
import layers
import modules
import pytest
import sizes
from checks import Tree


def tree_of(root: Path, files: dict[str, str]) -> Tree:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Tree.of_folder(root)


@pytest.mark.parametrize(
    ("path", "include"),
    [
        ("src/base/a.h", '"columnar/batch.h"'),
        ("src/formats/json/a.cc", '"expr/expression.h"'),
        ("src/state/a.cc", '"plan/plan.h"'),
        ("src/state/memory/a.cc", "<rocksdb/db.h>"),
        ("src/log/log.cc", "<sqlite3.h>"),
        ("src/plan/a.cc", "<tiderace/tiderace.h>"),
        ("src/plan/a.cc", "<boost/any.hpp>"),
        ("src/formats/json/a.cc", "<simdjson.h>"),
        ("include/tiderace/a.h", "<fmt/format.h>"),
        ("include/tiderace/a.h", '"base/error.h"'),
        ("examples/x/a.cpp", '"base/error.h"'),
    ],
)
def test_layers_finds(tmp_path: Path, path: str, include: str) -> None:
    (problem,) = layers.check(tree_of(tmp_path, {path: f"\n#include {include}\n"}))
    assert problem.startswith(f"{path}:2: includes ")


@pytest.mark.parametrize(
    ("path", "include"),
    [
        ("src/base/a.cc", '"base/a.h"'),
        ("src/base/a.cc", "<unistd.h>"),
        ("src/operators/a.cc", '"state/store.h"'),
        ("src/state/rocksdb/a.cc", "<rocksdb/db.h>"),
        ("src/api/a.cc", "<tiderace/tiderace.h>"),
        ("src/plan/a.h", "<tiderace/error.h>"),
        ("cli/a.cc", '"cli/options.h"'),
        ("cli/a.cc", '"log/log.h"'),
        ("include/tiderace/a.h", "<string_view>"),
        ("tests/cpp/json/a_test.cc", "<simdjson.h>"),
        ("tests/cpp/state/a_test.cc", "<rocksdb/db.h>"),
    ],
)
def test_layers_lets_pass(tmp_path: Path, path: str, include: str) -> None:
    assert layers.check(tree_of(tmp_path, {path: f"#include {include}\n"})) == []


def test_public_headers_show_what_they_declare(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path,
        {
            "include/tiderace/a.h": "namespace tiderace {\n}  // namespace tiderace\n",
            "include/tiderace/b.h": "namespace TIDERACE_API tiderace {\n}  // namespace tiderace\n",
        },
    )
    (problem,) = layers.check(tree)
    assert problem.startswith("include/tiderace/a.h: wants `namespace TIDERACE_API tiderace`")


CPP = """\
#include <string>
namespace a {
template <class T, class U = int>
struct S final : Base<T> {
  S() : x_{1} { y(); }
  std::string text() const noexcept {
    return "}" + std::string(1, '{');  // }
  }
  int x_ = 1'000'000;
  static constexpr int table[] = {1, 2};
};

const std::map<int, int> m = {{1, f(2)}};

TEST(Name, other) {
  auto lambda = [](int a) {
    if (a) { b(); }
  };
}

template <class T>
  requires(sizeof(T) == 1)
void constrained(T t) {
  f(t);
}

template <class T>
auto long_one(T t)
    -> int {

  return t;
}
}  // namespace a
"""


def test_functions_are_found_with_their_lines() -> None:
    found = {function.name: function.lines for function in sizes.functions(CPP)}
    assert found["text"] == 3
    assert found["TEST"] == 5
    assert found["long_one"] == 6
    assert found["constrained"] <= 5
    assert set(found) <= {"S", "constrained", "text", "TEST", "long_one"}


def test_methods_of_typescript_are_found() -> None:
    source = "export class A {\n  async first(): Promise<A> {\n    a();\n  }\n}\nfunction f() {\n  a();\n}\n"
    assert [(found.name, found.lines) for found in sizes.functions(source)] == [("first", 3), ("f", 3)]


def test_formatting_finds_long_lines_and_loose_ends_of_pages(tmp_path: Path) -> None:
    bad = "a;\n" + "b" * 127 + "\nc; \n"
    tree = tree_of(tmp_path, {"web/a.ts": bad, "web/b.css": "a {}\n" + "b" * 126 + "\n"})
    assert formatting.check(tree) == [
        "web/a.ts:2: 127 characters, at most 126",
        "web/a.ts:3: a tab, or white space at the end",
    ]


def test_sizes_finds(tmp_path: Path) -> None:
    body = "  a();\n" * 80
    tree = tree_of(
        tmp_path,
        {
            "src/base/long.cc": f"void f() {{\n{body}}}\n",
            "src/base/file.h": "int a;\n" * 601,
            "python/tiderace/a.py": "def f():\n    '''Text.'''\n" + "    a()\n" * 11,
            **{f"src/expr/f{i}.cc": "" for i in range(26)},
        },
    )
    problems = sizes.check(tree)
    assert [problem.split(":")[0] for problem in problems] == [
        "python/tiderace/a.py",
        "src/base/file.h",
        "src/base/long.cc",
        "src/expr",
    ]


def test_sizes_lets_pass(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path,
        {
            "src/base/a.cc": "void f() {\n" + "  a();\n" * 68 + "}\n",
            "python/tiderace/a.py": "def f():\n    '''Text.\n\n    More.\n    '''\n    # why\n\n"
            + "    a()\n" * 10,
            "tools/a.py": "def f():\n" + "    a()\n" * 30,
        },
    )
    assert sizes.check(tree) == []


def test_documents_finds(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path,
        {
            "README.md": "line\n" * 151,
            "ARCHITECTURE.md": "`log/log.h` and `log/gone.cc`, [a](docs/none.md)\n",
            "docs/decisions/one.md": "`log/lost.h`\n" + "line\n" * 60,
            "src/log/log.h": "",
        },
    )
    assert sorted(documents.check(tree)) == [
        "ARCHITECTURE.md: links to docs/none.md, which does not exist",
        "ARCHITECTURE.md: names log/gone.cc, which does not exist",
        "README.md: 151 lines, at most 150",
        "docs/decisions/one.md: 61 lines, at most 60",
        "docs/decisions/one.md: a decision is named NNNN-title.md",
        "docs/decisions/one.md: names log/lost.h, which does not exist",
    ]


SETTINGS = '[tool.pytest.ini_options]\npythonpath = ["bench/a", "examples"]\n'


@pytest.mark.parametrize("other", ["examples/history.py", "examples/history/__init__.py", "tests/history.py"])
def test_modules_finds_a_name_that_is_there_twice(tmp_path: Path, other: str) -> None:
    files = {"pyproject.toml": SETTINGS, "bench/a/history.py": "", "tests/test_a.py": "", other: ""}
    (problem,) = modules.check(tree_of(tmp_path, files))
    assert problem.startswith(f"bench/a/history.py: has the name of {other}")


def test_modules_lets_others_be_named_alike(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": SETTINGS,
        "bench/a/history.py": "",
        "python/history.py": "",
        "examples/a.py": "",
    }
    assert modules.check(tree_of(tmp_path, files)) == []
