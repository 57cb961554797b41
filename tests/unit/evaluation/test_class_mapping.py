"""The classes of data and model are matched by name, else by number, else refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from recam_deploy.errors import InputError
from recam_deploy.evaluation.class_mapping import map_classes

DATA = Path("data.yaml")


@pytest.mark.parametrize(
    ("names", "labels", "ids"),
    [
        (["dog", "cat"], ["cat", "dog"], {0: 1, 1: 0}),
        (["Traffic_Light", "STOP-sign "], ["stop sign", "traffic light"], {0: 1, 1: 0}),
        (["ＣＡＴ"], ["cat"], {0: 0}),
        (["cat", "Cat"], ["Cat", "cat"], {0: 1, 1: 0}),
        (["cat", "CAT"], ["cat"], {0: 0, 1: 0}),
        (["0", "1"], ["a", "b"], {0: 0, 1: 1}),
        (["7"], ["a"] * 8, {0: 7}),
        (["class0", "class1"], ["a", "b"], {0: 0, 1: 1}),
        (["a", "b"], ["class_0", "class_1"], {0: 0, 1: 1}),
        (["a"], ["0", "1"], {0: 0}),
        (["a", "b", "c"], ["0", "1"], {0: 0, 1: 1}),
        (["a", "b"], [], {0: 0, 1: 1}),
        (["n00000001", "n00000002"], ["a", "b"], {0: 0, 1: 1}),
    ],
)
def test_classes_match(names: Sequence[str], labels: Sequence[str], ids: dict[int, int]) -> None:
    assert map_classes(names, labels, DATA).ids == ids


def test_data_without_names_has_the_models_numbers() -> None:
    mapping = map_classes(None, ["a", "b"], DATA)
    assert (mapping.model_id(1), mapping.evaluated, mapping.problems) == (1, None, ())


def test_a_model_of_more_classes_is_not_charged_for_them() -> None:
    labels = [f"thing {number}" for number in range(77)] + ["cat", "dog", "car"]
    mapping = map_classes(["dog", "car", "tree"], labels, DATA)
    assert mapping.evaluated == frozenset({78, 79})
    assert mapping.unknown == {2: "tree"}
    assert mapping.model_id(2) is None
    assert "2 of the model's 80 classes" in mapping.problems[0]


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["Katze", "Hund"], ["cat", "dog"]),
        (["class0"], ["cat", "dog"]),
        (["9"], ["cat", "dog"]),
        (["n00000001"], ["cat", "dog"]),
    ],
)
def test_nothing_in_common_shows_both_lists(names: list[str], labels: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        map_classes(names, labels, DATA)
    assert names[0] in caught.value.message
    assert "cat, dog" in caught.value.message
    assert "--labels" in caught.value.hint
