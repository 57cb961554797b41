"""A flag that would have no effect is refused, with what would make it count (row 10)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from all_commands import all_commands
from cvimodels import write_cvimodel
from onnx_models import detector
from PIL import Image
from typer.testing import CliRunner, Result

from recam_deploy.cli.main import app
from recam_deploy.cli.options import effects

CONVERT = ("convert", "m.onnx", "--calibration", "pictures", "--dry-run")
BY_ACCURACY = (*CONVERT, "--quantize", "mixed", "--data", "set", "--max-drop", "0.01")
ON_CLUSTER = ("evaluate", "m.cvimodel", "--data", "set", "--scheduler", "tcp://h:1")
ON_CAMERA = ("evaluate", "m.cvimodel", "--data", "set", "--host", "h")
UP = ("up", "m.onnx", "--image", "pictures/a.png", "--calibration", "pictures", "--host", "h")
POSE = Path(__file__).parents[1] / "models" / "yolo11-pose-shapes-192.onnx"
MIXED = "Add --quantize mixed"

USELESS = [
    (*CONVERT, "--expected-cos", "0.9", MIXED),
    (*CONVERT, "--max-float-layers", "3", MIXED),
    (*CONVERT, "--quantize", "int8", "--max-float-layers", "3", MIXED),
    (*CONVERT, "--quantize", "bf16", "--expected-cos", "0.9", MIXED),
    (*CONVERT, "--min-layer-cos", "0.9", MIXED),
    (*CONVERT, "--quantize-table", "table", "--expected-cos", "0.9", "--quantize-table"),
    (*CONVERT, "--quantize", "bf16", "--calibrator", "stock", "Leave one"),
    (*CONVERT, "--quantize", "bf16", "--calibration-table", "table", "Leave one"),
    (*CONVERT, "--calibration-table", "table", "--calibrator", "stock", "--calibration-table"),
    (*CONVERT, "--data-list", "list.txt", "--calibration", "pictures", "Give one"),
    (*CONVERT, "--mean", "1,2,3", "--family raw"),
    (*CONVERT, "--pixel-format", "bgr", "--family raw"),
    (*CONVERT, "--family", "raw", "--min-matched", "0.5", "--min-cosine"),
    (*CONVERT, "--imgsz", "64", "--input-shape"),
    (*CONVERT[:1], "pose.onnx", *CONVERT[2:], "--max-float-layers", "2", "Add --expected-cos"),
    (*CONVERT[:1], "pose.onnx", *CONVERT[2:], "--min-layer-cos", "0.5", "Add --expected-cos"),
    (*CONVERT, "--max-drop", "0.01", "Add --data"),
    (*BY_ACCURACY, "--expected-cos", "0.9", "Leave one"),
    (*CONVERT, "--family", "raw", "--data", "set", "Leave it out"),
    (*ON_CLUSTER, "--jobs", "2", "Leave one"),
    (*ON_CLUSTER, "--on", "simulator", "Leave --on or"),
    (*ON_CLUSTER, "--on", "camera", "--host", "h", "Leave --on or"),
    (*ON_CAMERA, "--on", "camera", "--jobs", "2", "Leave one"),
    *(
        (*ON_CAMERA[:-2], *flag, "Add --on camera")
        for flag in (
            ("--host", "h"),
            ("--camera", "porch"),
            ("--port", "22"),
            ("--user", "u"),
            ("--key", "k"),
            ("--accept-host-key",),
            ("--wait", "3"),
            ("--on", "simulator", "--host", "h"),
        )
    ),
    *(
        ("test", "m.cvimodel", "--image", "pictures/a.png", "--host", "h", "--exact", *flag)
        for flag in (
            ("--runner", "r", "Leave one"),
            ("--output", "o.jpg", "Leave one"),
            ("--labels", "list.txt", "Leave one"),
        )
    ),
    (*UP, "--expected-cos", "0.9", MIXED),
    (*UP, "--no-flow", "--template", "counting", "Leave one"),
    (*UP, "--no-flow", "--flow", "f.json", "Leave one"),
    *(
        ("deploy", "m.cvimodel", "--host", "h", "--via", "http", *flag, "--via ssh")
        for flag in (
            ("--wait", "3"),
            ("--no-try",),
            ("--key", "k"),
            ("--port", "22"),
            ("--user", "u"),
            ("--accept-host-key",),
        )
    ),
    ("verify", "m.cvimodel", "--images", "pictures", "--layer-images", "2", "Add --layers"),
    ("inspect", "m.onnx", "--full", "Leave it out"),
    ("doctor", "--port", "22", "Add --host"),
    ("doctor", "--accept-host-key", "Add --host"),
    ("flow", "diff", "--host", "h", "--backup", "1", "--template", "counting", "--backup"),
    ("flow", "diff", "--host", "h", "--backup", "1", "--tscore", "0.5", "--backup"),
    ("flow", "diff", "--host", "h", "--backup", "1", "--key", "k", "--backup"),
    ("flow", "show", "--host", "h", "--nodered-user", "u", "--nodered-token", "--nodered-token"),
    ("flow", "push", "--host", "127.0.0.1", "--flow", "f.json", "--tscore", "0.5", "Leave it out"),
    ("virtual", "up", "--no-node-red", "--dashboard", "Leave one"),
    ("virtual", "up", "--no-node-red", "--nodes", ".", "Leave one"),
    ("virtual", "up", "--nodes", ".", "--nodes-version", "0.3.6", "Leave one"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    onnx.save(detector(), folder / "m.onnx")
    shutil.copy(POSE, folder / "pose.onnx")
    write_cvimodel(folder / "m.cvimodel")
    (folder / "pictures").mkdir()
    Image.new("RGB", (64, 64)).save(folder / "pictures" / "a.png")
    (folder / "table").write_text("a BF16\n")
    (folder / "ranges").write_text("a 1.0 -1.0 1.0\n")
    (folder / "list.txt").write_text("pictures/a.png\n")
    (folder / "f.json").write_text('[{"id": "t", "type": "tab", "label": "t"}]')
    return folder


Run = Callable[..., Result]


@pytest.fixture
def run(place: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line in `place`, with the given variables, of ours no others."""
    for name in [name for name in os.environ if name.startswith("RECAM_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(place / "home"))
    monkeypatch.chdir(place)

    def run_words(*words: str, **variables: str) -> Result:
        return CliRunner().invoke(app, list(words), env=dict(variables))

    return run_words


@pytest.mark.parametrize("words", USELESS, ids=lambda words: " ".join(words[:-1])[-70:])
def test_row_10_a_flag_without_an_effect_is_a_mistake_of_use(
    run: Run, words: tuple[str, ...]
) -> None:
    *command, remedy = words
    done = run(*command, "--json")
    error = json.loads(done.stdout)["error"]
    assert done.exit_code == 2, done
    assert error["kind"] == "usage"
    assert " has no effect " in error["message"]
    assert remedy in error["hint"]


def test_the_refusal_is_the_only_document(place: Path) -> None:
    words = (sys.executable, "-m", "recam_deploy", "deploy", "m.cvimodel", "--via", "http")
    done = subprocess.run(
        (*words, "--host", "h", "--no-try", "--json"), cwd=place, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (2, "")
    assert json.loads(done.stdout)["error"]["kind"] == "usage"


@pytest.mark.parametrize(
    "words",
    [
        (*CONVERT, "--quantize", "mixed", "--expected-cos", "0.9", "--max-float-layers", "3"),
        (*CONVERT, "--quantize", "mixed", "--min-layer-cos", "0.9"),
        (*CONVERT[:1], "pose.onnx", *CONVERT[2:], "--expected-cos", "0.9"),
        (*CONVERT, "--family", "raw", "--mean", "1,2,3", "--pixel-format", "bgr"),
        (*CONVERT, "--calibration-table", "ranges"),
        (*CONVERT, "--timings"),
    ],
    ids=lambda words: " ".join(words[5:]),
)
def test_row_10_the_same_flags_count_where_they_apply(run: Run, words: tuple[str, ...]) -> None:
    done = run(*words, "--json")
    assert done.exit_code == 0, done.stdout + done.stderr


def test_row_10_a_setting_that_does_not_apply_is_no_mistake(place: Path, run: Run) -> None:
    """It stands in the file for other models, too."""
    settings = place / "all.toml"
    settings.write_text(
        "[convert]\nexpected_cos = 0.9\nmax_float_layers = 3\nmin_matched = 0.5\nimgsz = 64\n"
        '[camera]\nhost = "h"\nkey = "k"\n'
    )
    assert run(*CONVERT, RECAM_SETTINGS=str(settings)).exit_code == 0
    assert run(*CONVERT, RECAM_CONVERT_EXPECTED_COS="0.9").exit_code == 0


def test_a_flag_names_the_pictures_before_the_settings_do(run: Run) -> None:
    done = run(*CONVERT, RECAM_CONVERT_DATA_LIST="none.txt")
    assert done.exit_code == 0, done.stderr


ALWAYS = {
    "they choose the camera": {"host", "profile", "camera", "known_hosts"},
    "they say what is printed, or where it goes": {
        *("as_json", "log_file", "verbose", "dry_run", "timings", "help"),
        *("output", "model_output", "report", "record", "coco"),
    },
    "they allow something": {
        *("force", "forget", "yes", "trust_model", "accept_host_key", "any_build"),
    },
    "they are refused with the reason where they do not fit": {
        *("quantize", "quantize_table", "int8_outputs", "weights", "output_names", "input_shape"),
        *("family", "runner", "line", "to", "mqtt_topic", "http_url", "template", "flow"),
    },
    "they count for every input": {
        *("image", "images", "model", "data_list", "calibration", "labels", "verify"),
        *("min_cosine", "toolchain", "paranoid", "limit", "layers", "wait", "port", "user", "key"),
        *("no_try", "no_flow", "via", "backup", "nodered_token", "count", "seconds", "interface"),
        *("stay", "node_red", "folder", "detach", "pictures", "address", "announce", "firmware"),
        *("keep", "exporters", "tscore", "tiou", "data", "split", "on", "max_drop"),
        "exact",
        *("node_red_root", "node_red_https", "node_red_ca", "node_red_fingerprint"),
    },
}


def _ruled(command: str) -> set[str]:
    rules = [*effects.RULES.get(command, ())]
    for name, more in (
        ("convert up", effects.CONVERSION),
        ("inspect", effects.INSPECTION),
        ("doctor", effects.DOCTOR),
        ("flow push", effects.FLOW),
    ):
        rules += more if command in name.split() or command == name else ()
    rules += effects.NODE_RED if command.startswith("flow ") else ()
    return {flag for rule in rules for flag in rule.flags}


def test_row_10_every_flag_of_every_command_was_thought_of() -> None:
    known = set().union(*ALWAYS.values())
    new = [
        f"{name} {parameter.opts[0]}"
        for name, command in all_commands().items()
        for parameter in command.params
        if parameter.opts[0].startswith("-") and parameter.name not in known | _ruled(name)
    ]
    assert new == []


def test_rules_name_flags_that_exist() -> None:
    commands = all_commands()
    for name, rules in effects.RULES.items():
        flags = {parameter.name for parameter in commands[name].params}
        assert {flag for rule in rules for flag in rule.flags} <= flags
