"""The command line as a user has it: the real binary, an embedded log, NDJSON in and out."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

BINARY = Path(__file__).resolve().parents[2] / "build" / "tiderace"


class CommandLine:
    """Runs `tiderace` in a folder of its own, so that the default log is its own as well."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {k: v for k, v in os.environ.items() if k != "TIDERACE_BROKER_ADDRESS"}

    def run(self, *words: str, stdin: str | bytes = b"") -> subprocess.CompletedProcess[str]:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [BINARY, *words],
            input=data,
            capture_output=True,
            cwd=self.folder,
            env=self.environment,
            timeout=60,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace")
        )

    def ok(self, *words: str, stdin: str | bytes = b"") -> str:
        done = self.run(*words, stdin=stdin)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def fails(self, status: int, *words: str, stdin: str | bytes = b"") -> str:
        done = self.run(*words, stdin=stdin)
        assert (done.returncode, done.stdout) == (status, "")
        assert done.stderr.startswith("tiderace: ")
        return done.stderr.removeprefix("tiderace: ").rstrip("\n")

    def records(self, topic: str, *options: str) -> list[dict[str, Any]]:
        return [
            json.loads(line) for line in self.ok("topic", "read", topic, "--until-end", *options).splitlines()
        ]

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [BINARY, *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


def test_version_and_help(cli: CommandLine) -> None:
    import tiderace

    assert cli.ok("--version") == f"tiderace {tiderace.__version__}\n"
    overview = cli.ok("--help")
    for command in (
        "topic list",
        "topic create",
        "topic write",
        "topic read",
        "group list",
        "group show",
        "group reset",
    ):
        assert command in overview
        text = cli.ok(*command.split(), "--help")
        assert text.startswith(f"Usage: tiderace {command}")
        assert "Examples:\n  tiderace " in text
        assert "--broker-address" in text


def test_files_are_written_one_after_the_other(cli: CommandLine, tmp_path: Path) -> None:
    cli.ok("topic", "create", "t")
    (tmp_path / "a.csv").write_text('rider,t,x\nanna,5,1\n"b ""n""",6,\n')
    (tmp_path / "b.jsonl").write_text('{"rider": "c", "t": 7, "x": 1.50}\n\n')
    cli.ok(
        *("topic", "write", "t", str(tmp_path / "a.csv"), str(tmp_path / "b.jsonl")),
        *("--key", "rider", "--timestamp", "t"),
    )
    records = [json.loads(line) for line in cli.ok("topic", "read", "t", "--until-end").splitlines()]
    assert [(record["key"], record["timestamp"], record["value"]["x"]) for record in records] == [
        ("anna", 5, 1),
        ('b "n"', 6, None),
        ("c", 7, 1.5),
    ]


def test_a_file_that_cannot_be_written_says_why(cli: CommandLine, tmp_path: Path) -> None:
    cli.ok("topic", "create", "t")
    good, bad, empty = (tmp_path / name for name in ("good.ndjson", "bad.json", "empty.csv"))
    good.write_text('{"x": 1}\n')
    bad.write_text('{"x": 2}\nnot json\n')
    empty.write_text("")
    found = cli.fails(1, "topic", "write", "t", str(good), str(bad))
    assert 'bad.json" row 2: ' in found
    assert found.endswith("; nothing from this line on is written, 2 records before it are")
    assert "wanted a CSV file whose first line has the names" in cli.fails(
        1, "topic", "write", "t", str(empty)
    )
    assert "cannot read" in cli.fails(1, "topic", "write", "t", str(tmp_path / "nowhere.csv"))
    parquet = cli.fails(2, "topic", "write", "t", str(good), "rows.parquet")
    assert "wanted a file whose name ends with .csv, .ndjson, .jsonl or .json" in parquet
    assert "tr.ParquetSource" in parquet


def test_a_line_keeps_its_bytes(cli: CommandLine) -> None:
    cli.ok("topic", "create", "t")
    line = '{"rider": "anna", "n": 1.50, "e": "\\u00e9", "big": 123456789012345678901234567890, "ts": 17.9}'
    cli.ok("topic", "write", "t", "--key", "rider", "--timestamp", "ts", stdin=line + "\n")
    assert cli.ok("topic", "read", "t", "--until-end") == (
        '{"topic":"t","partition":0,"offset":0,"timestamp":17,"key":"anna","headers":[],"value":'
        + line
        + "}\n"
    )


def test_keys_are_strings_or_integers(cli: CommandLine) -> None:
    cli.ok("topic", "create", "t")
    cli.ok(
        "topic", "write", "t", "--key", "k", stdin='{"k": "a"}\n{"k": -7}\n{"k": "\\u00e9\\n"}\n{"k": ""}\n'
    )
    assert [record["key"] for record in cli.records("t")] == ["a", "-7", "é\n", ""]


def test_without_options_there_is_no_key_and_the_time_is_now(cli: CommandLine) -> None:
    cli.ok("topic", "create", "t")
    cli.ok("topic", "write", "t", stdin="{}\n")
    (record,) = cli.records("t")
    assert record["key"] is None
    assert record["timestamp"] > 1_600_000_000_000


def test_blank_lines_carriage_returns_and_a_missing_last_line_break(cli: CommandLine) -> None:
    cli.ok("topic", "create", "t")
    cli.ok("topic", "write", "t", stdin='\n{"a":1}\r\n \t\n{"a":2}')
    assert cli.ok("topic", "read", "t", "--until-end").count('"value":{"a":') == 2


def test_many_rows_of_many_keys_keep_the_order_of_each(cli: CommandLine) -> None:
    cli.ok("topic", "create", "t", "--partitions", "4")
    rows = [{"k": f"key-{i % 50}", "i": i, "text": "x" * (i % 300)} for i in range(50_000)]
    cli.ok("topic", "write", "t", "--key", "k", stdin="".join(json.dumps(row) + "\n" for row in rows))
    records = cli.records("t")
    assert sorted((record["value"] for record in records), key=lambda row: row["i"]) == rows
    for number in range(50):
        mine = [record for record in records if record["key"] == f"key-{number}"]
        assert [record["value"]["i"] for record in mine] == list(range(number, 50_000, 50))
        assert len({record["partition"] for record in mine}) == 1


def test_a_row_of_five_megabytes_passes(cli: CommandLine) -> None:
    cli.ok("topic", "create", "t")
    cli.ok("topic", "write", "t", stdin=json.dumps({"a": "x" * 5_000_000}) + '\n{"b":1}\n')
    first, second = cli.records("t")
    assert len(first["value"]["a"]) == 5_000_000
    assert second["value"] == {"b": 1}


def test_a_row_over_the_limit_is_named(cli: CommandLine) -> None:
    cli.ok("topic", "create", "t")
    found = cli.fails(1, "topic", "write", "t", stdin=b'{}\n{"a":"' + b"x" * (70 << 20) + b'"}\n{}\n')
    assert found.startswith("line 2: wanted at most 67108864 bytes, found more; nothing from this line on")
    assert len(cli.records("t")) == 1


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'{"k": "a"', "the record ends"),
        (b"not json", "line 2: "),
        (b"[1]", "wanted a JSON object, found the array"),
        (b'{"k": "\xff"}', "UTF-8"),
        (b'{"k": 1.5}', 'wanted a string or an integer for the key in field "k", found 1.5'),
        (b'{"k": null}', "found null or nothing"),
        (b"{}", "found null or nothing"),
        (b'{"k": {"a": 1}}', 'found {"a": 1}'),
        (b'{"k": "a", "k": "b"}', "stands more than once"),
        (b'{"k": 12345678901234567890}', 'in field "k"'),
        (b'{"k": "\\ud800"}', 'in field "k"'),
        (b'{"k": "a", "ts": -1}', 'wanted milliseconds since 1970 for the timestamp in field "ts", found -1'),
        (b'{"k": "a", "ts": "x"}', 'found "x"'),
        (b'{"k": "a", "ts": 1e300}', "found 1e+300"),
    ],
)
def test_a_bad_line_is_named_and_what_stands_before_it_is_written(
    cli: CommandLine, line: bytes, found: str
) -> None:
    cli.ok("topic", "create", "t")
    options = ["--key", "k"] + (["--timestamp", "ts"] if b'"ts"' in line else [])
    good = b'{"k": "a", "ts": 1}\n'
    complaint = cli.fails(1, "topic", "write", "t", *options, stdin=good + line + b"\n" + good)
    assert complaint.startswith("line 2: ")
    assert found in complaint
    assert complaint.endswith("; nothing from this line on is written, 1 records before it are")
    assert [record["value"] for record in cli.records("t")] == [{"k": "a", "ts": 1}]


def test_reading_from_to_and_how_much(cli: CommandLine) -> None:
    cli.ok("topic", "create", "t")
    cli.ok("topic", "write", "t", stdin="".join(f'{{"i":{i}}}\n' for i in range(10)))

    def read(*options: str) -> list[int]:
        return [record["value"]["i"] for record in cli.records("t", *options)]

    assert read() == list(range(10))
    assert read("--from", "earliest", "--count", "3") == [0, 1, 2]
    assert read("--from=7") == [7, 8, 9]
    assert read("--from", "10") == []
    assert read("--from", "1000") == []
    assert read("--from", "latest") == []
    assert read("--count", "0") == []
    assert read("--partition", "0", "--from", "9") == [9]


def test_following_sees_what_comes_and_ends_whole_at_ctrl_c(cli: CommandLine) -> None:
    cli.ok("topic", "create", "t")
    reader = cli.start("topic", "read", "t")
    assert reader.stdout is not None
    for i in range(3):
        cli.ok("topic", "write", "t", stdin=f'{{"i":{i}}}\n')
        assert json.loads(reader.stdout.readline())["value"] == {"i": i}
    reader.send_signal(signal.SIGINT)
    rest, complaint = reader.communicate(timeout=30)
    assert (reader.returncode, rest, complaint) == (130, b"", b"")


def test_ctrl_c_while_writing_leaves_whole_records(cli: CommandLine) -> None:
    cli.ok("topic", "create", "t")
    writer = cli.start("topic", "write", "t")
    reader = cli.start("topic", "read", "t", "--count", "1")
    assert writer.stdin is not None
    writer.stdin.write(b'{"i":0}\n{"i":')
    writer.stdin.flush()
    # What has arrived is written at once, though input goes on: the reader gets its row.
    assert json.loads(reader.communicate(timeout=30)[0])["value"] == {"i": 0}
    writer.send_signal(signal.SIGINT)
    _, complaint = writer.communicate(timeout=30)
    assert (writer.returncode, complaint) == (130, b"tiderace: interrupted; 1 records are written\n")
    assert [record["value"] for record in cli.records("t")] == [{"i": 0}]


def test_topic_list_and_create(cli: CommandLine) -> None:
    cli.ok("topic", "create", "b", "--partitions", "3")
    cli.ok("topic", "create", "a")
    cli.ok("topic", "write", "a", stdin="{}\n{}\n")
    assert cli.ok("topic", "list").split() == ["TOPIC", "PARTITIONS", "RECORDS", "a", "1", "2", "b", "3", "0"]
    assert [json.loads(line) for line in cli.ok("topic", "list", "--json").splitlines()] == [
        {"topic": "a", "partitions": 1, "records": 2},
        {"topic": "b", "partitions": 3, "records": 0},
    ]
    assert "exists already" in cli.fails(2, "topic", "create", "b")
    cli.ok("topic", "create", "b", "--if-absent")


def test_the_address_comes_from_the_option_the_environment_or_the_default(cli: CommandLine) -> None:
    cli.ok("topic", "create", "default")
    cli.ok("topic", "create", "option", "--broker-address", "embedded:one")
    cli.environment["TIDERACE_BROKER_ADDRESS"] = "embedded:two"
    cli.ok("topic", "create", "environment")
    for folder, topic in ((".tiderace", "default"), ("one", "option"), ("two", "environment")):
        listed = cli.ok("topic", "list", "--json", "--broker-address", f"embedded:{folder}")
        assert [json.loads(line)["topic"] for line in listed.splitlines()] == [topic]


@pytest.mark.parametrize(
    "words",
    [["topic", "list"], ["topic", "read", "t"], ["topic", "write", "t"], ["group", "list"]],
    ids=" ".join,
)
def test_whoever_looks_in_a_wrong_folder_makes_no_log_there(cli: CommandLine, words: list[str]) -> None:
    found = cli.fails(2, *words)
    assert f"there is no log in embedded:.tiderace ({cli.folder}/.tiderace)" in found
    assert "--broker-address" in found
    assert not (cli.folder / ".tiderace").exists()


def test_a_topic_that_cannot_be_created_leaves_no_log(cli: CommandLine) -> None:
    assert '"a b"' in cli.fails(2, "topic", "create", "a b")
    assert not (cli.folder / ".tiderace").exists()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], "no command given"),
        (["sing"], 'there is no command "sing"'),
        (["topic", "raed"], "tiderace topic read"),
        (["topic", "read"], "tiderace topic read wants NAME"),
        (["topic", "read", "t", "u"], '"u"'),
        (["topic", "read", "nope"], 'there is no topic "nope" in embedded:.tiderace'),
        (["topic", "write", "nope"], 'there is no topic "nope" in embedded:.tiderace'),
        (["topic", "read", "t", "--frm", "1"], "no option --frm; it has --from"),
        (["topic", "read", "t", "--from"], "--from wants a value"),
        (["topic", "read", "t", "--from", "x"], 'found "x"'),
        (["topic", "read", "t", "--from", "-1"], 'found "-1"'),
        (["topic", "read", "t", "--count", "1.5"], 'found "1.5"'),
        (["topic", "read", "t", "--until-end=1"], "--until-end takes no value"),
        (["topic", "read", "t", "--count", "1", "--count", "2"], "--count is given twice"),
        (["topic", "read", "t", "--partition", "1"], 'no partition 1 in topic "t"; it has 1'),
        (["topic", "create", "u", "--partitions", "0"], "at least 1"),
        (["topic", "create", "a b"], '"a b"'),
        (["group", "show", "nope"], 'group "nope" has committed nothing'),
        (["topic", "list", "--broker-address", "nonsense"], "nonsense"),
    ],
)
def test_what_cannot_be_ends_with_two_and_a_sentence(cli: CommandLine, words: list[str], found: str) -> None:
    cli.ok("topic", "create", "t")
    assert found in cli.fails(2, *words)


def test_a_full_disk_at_the_output_is_an_error(cli: CommandLine) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([BINARY, "--help"], stdout=full, stderr=subprocess.PIPE, cwd=cli.folder)
    assert done.returncode == 1
    assert b"No space left" in done.stderr
