"""Damaged flow files pushed to a real Node-RED: an error, or a push that is right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mutations import mutated
from node_red_runs import Runtime, document
from own_flows import own_flows
from pushes import SHAPES, Editor, do_push, merging

from recam_deploy.errors import RecamError
from recam_deploy.flows.document import Node
from recam_deploy.flows.templates import fill, load_flow_file
from recam_deploy.resources import resource


def test_two_hundred_mutated_files_give_an_error_or_a_right_push(
    runtime: Runtime, tmp_path: Path, editor: Editor
) -> None:
    """Never a traceback, never anything of the camera's own flows changed by half."""
    sources = [document(Path(p)) for p in _template_files()]
    runtime.set(own_flows())
    path, pushed, refused = tmp_path / "flow.json", 0, 0
    with runtime.client() as client:
        for seed in range(200):
            before = client.read()
            path.write_text(mutated(sources[seed % len(sources)], seed), encoding="utf-8")
            try:
                addition = fill(str(path), load_flow_file(path), SHAPES)
                done = do_push(client, merging(addition), editor)
            except RecamError as error:
                assert error.message and error.hint and "\n" not in error.message
                assert client.read() == before
                refused += 1
                continue
            pushed += 1
            assert _without_credentials(client.read().nodes) == _without_credentials(done.nodes)
            assert not done.changes.removed
            assert client.runs()
            assert runtime.alive()
            runtime.set(own_flows())
    assert pushed > 20
    assert refused > 100


def _template_files() -> list[Path]:
    return sorted(resource("noderedflows").glob("*.json"))


def _without_credentials(nodes: Sequence[Node]) -> list[Node]:
    return [{key: node[key] for key in node if key != "credentials"} for node in nodes]
