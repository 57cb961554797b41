"""Refuse flags that would have no effect beside the other flags, the settings or the model.

A flag that is silently ignored hides a mistake. The same value in a settings file is no mistake: it
holds for other runs too. So only what stands on the command line is refused.

`RULES` are checked before a command runs, from its flags alone; what also depends on settings or
files is checked by the command, with `refuse_useless`, as soon as that is known. Flags that merely
allow something (--yes, --force, --trust-model) always count, and so does everything that a
`--dry-run` describes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from ...errors import UsageError

Facts = Mapping[str, Any]
_SSH = ("port", "user", "key", "accept_host_key")
_WANTED = (
    *("template", "flow", "model", "labels", "tscore", "tiou", "line", "to"),
    *("mqtt_topic", "http_url"),
)


@dataclass(frozen=True)
class Rule:
    """Flags, by the names of their parameters, that count only under a condition.

    `counts` gets the facts: a command's own flags, or what the command knows; an unknown fact is
    None, and then the flag passes. `why` completes "… has no effect", `remedy` says what would make
    it count.
    """

    flags: tuple[str, ...]
    counts: Callable[[Facts], bool | None]
    why: str
    remedy: str


_VIRTUAL = Rule(
    ("nodes", "nodes_version", "dashboard"),
    lambda given: given["node_red"],
    "with --no-node-red",
    "Leave one of them out.",
)

RULES: Mapping[str, tuple[Rule, ...]] = {
    "up": (
        Rule(
            ("template", "flow"),
            lambda given: not given["no_flow"],
            "with --no-flow, which leaves Node-RED alone",
            "Leave one of them out.",
        ),
        Rule(
            ("calibration",),
            lambda given: given["data_list"] is None,
            "with --data-list, which names the pictures",
            "Give one of them.",
        ),
    ),
    "deploy": (
        Rule(
            (*_SSH, "wait", "no_try"),
            lambda given: given["via"].value == "ssh",
            "with --via http: only SSH logs in, takes the camera's lock and tries the model",
            "Leave it out, or deploy with --via ssh.",
        ),
    ),
    "test": (
        Rule(
            ("runner", "output", "labels"),
            lambda given: not given["exact"],
            "with --exact, which compares raw outputs: no test binary runs, and nothing is drawn",
            "Leave one of them out.",
        ),
    ),
    "verify": (
        Rule(
            ("layer_images",),
            lambda given: given["layers"],
            "without --layers, which measures each layer",
            "Add --layers, or leave it out.",
        ),
    ),
    "evaluate": (
        Rule(
            ("host", "profile", *_SSH, "wait"),
            lambda given: given["on"].value == "camera",
            "without --on camera: the models run on this machine",
            "Add --on camera, or leave it out.",
        ),
        Rule(
            ("jobs",),
            lambda given: given["on"].value != "camera",
            "with --on camera, which has one TPU",
            "Leave one of them out.",
        ),
        Rule(
            ("jobs",),
            lambda given: given["scheduler"] is None,
            "with --scheduler, whose workers run the models",
            "Leave one of them out.",
        ),
        Rule(
            ("scheduler",),
            lambda given: given["on"].value == "emulator",
            "without the emulator: the simulator and the camera run on one machine",
            "Leave --on or --scheduler out.",
        ),
    ),
    "flow diff": (
        Rule(
            (*_WANTED, *_SSH),
            lambda given: given["backup"] is None,
            "with --backup, which is compared as it is",
            "Leave --backup out, or the flags of a push and of SSH.",
        ),
    ),
    "virtual up": (
        _VIRTUAL,
        Rule(
            ("nodes_version",),
            lambda given: given["nodes"] is None,
            "with --nodes, which names nodes of some version",
            "Leave one of them out.",
        ),
    ),
}
RULES = {**RULES, "convert": RULES["up"][1:]}
"""What depends on a command's flags alone, by the command."""


CONVERSION = (
    Rule(
        ("expected_cos", "max_float_layers", "min_layer_cos"),
        lambda facts: facts["mixed"],
        "without mixed precision: it guides the search for layers to keep in bf16",
        "Add --quantize mixed, or leave it out.",
    ),
    Rule(
        ("expected_cos", "max_float_layers", "min_layer_cos"),
        lambda facts: not facts["table"],
        "with a quantization table, which names the layers already",
        "Leave --quantize-table (or `quantize_table` in recam.toml) out, or this flag.",
    ),
    Rule(
        ("max_float_layers", "min_layer_cos"),
        lambda facts: facts["searches"],
        "on a pose or segmentation model without --expected-cos: its last layers stay in bf16, "
        "and no others are searched",
        "Add --expected-cos, or leave it out.",
    ),
    Rule(
        ("max_drop",),
        lambda facts: facts["labelled"],
        "without labelled pictures to measure it on",
        "Add --data, or leave it out.",
    ),
    Rule(
        ("expected_cos", "min_layer_cos"),
        lambda facts: not facts["drop"],
        "with --max-drop, by which the search decides",
        "Leave one of them out.",
    ),
    Rule(
        ("data", "max_drop"),
        lambda facts: None if facts["raw"] is None else not facts["raw"],
        "with --family raw: what such a network finds is not known, so nothing can be measured",
        "Leave it out.",
    ),
    Rule(
        ("calibration_table",),
        lambda facts: facts["int8"],
        "with --quantize bf16, which needs no value ranges",
        "Leave one of them out.",
    ),
    Rule(
        ("calibrator",),
        lambda facts: facts["int8"],
        "with --quantize bf16, which needs no calibration",
        "Leave one of them out.",
    ),
    Rule(
        ("calibrator",),
        lambda facts: facts["measures"],
        "with a calibration table, which holds the value ranges already",
        "Leave --calibration-table (or `calibration_table` in recam.toml) out, or this flag.",
    ),
    Rule(
        ("mean", "scale", "pixel_format"),
        lambda facts: facts["raw"],
        "without --family raw: the camera's families have a fixed preprocessing",
        "Add --family raw, or leave it out.",
    ),
    Rule(
        ("min_matched",),
        lambda facts: None if facts["raw"] is None else not facts["raw"],
        "with --family raw: what such a network finds is not known, so nothing is matched",
        "Leave it out; --min-cosine holds for every network.",
    ),
    Rule(
        ("imgsz",),
        lambda facts: facts["exports"],
        "on an ONNX model, whose input has its size already",
        "Leave it out; --input-shape 1,3,H,W fixes a dynamic input.",
    ),
)
"""What depends on the precision, the family and the tables, whether flags or settings name them."""

INSPECTION = (
    Rule(
        ("full",),
        lambda facts: facts["cvimodel"],
        "on this file: only a cvimodel has tensors and weights to list",
        "Leave it out.",
    ),
)
DOCTOR = (
    Rule(
        _SSH,
        lambda facts: facts["host"],
        "without a camera",
        "Add --host, to check a camera too.",
    ),
)
NODE_RED = (
    Rule(
        ("nodered_user",),
        lambda facts: not facts["token"],
        "with an access token, which needs no user",
        "Leave --nodered-token (or RECAM_NODERED_TOKEN) out, or this flag.",
    ),
)
FLOW = (
    Rule(
        ("model", "labels", "tscore", "tiou"),
        lambda facts: facts["model_node"],
        "on this flow, which has no model node",
        "Leave it out.",
    ),
)

_given: ContextVar[Mapping[str, str] | None] = ContextVar("given", default=None)


def note_flags(context: Any) -> None:
    """Note which flags stand on the command line, and check the command's `RULES`.

    `context` is typer's. Raises UsageError.
    """
    spelled = {p.name: p.opts[0] for p in context.command.params}
    _given.set(
        {
            name: flag
            for name, flag in spelled.items()
            if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
        }
    )
    refuse_useless(RULES.get(_words(context), ()), context.params)


def refuse_useless(rules: Sequence[Rule], facts: Facts) -> None:
    """Raise UsageError for the first flag on the command line that does not count."""
    given = _given.get() or {}
    for rule in rules:
        for name in rule.flags:
            if name in given and rule.counts(facts) is False:
                raise UsageError(f"{given[name]} has no effect {rule.why}", rule.remedy)


def _words(context: Any) -> str:
    """Return a command's words without the program's name."""
    words: list[str] = []
    while context is not None and context.parent is not None:
        words.insert(0, str(context.info_name))
        context = context.parent
    return " ".join(words)
