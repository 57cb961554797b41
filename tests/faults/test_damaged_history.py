"""What lies in the camera's history may be damaged: no deployment fails twice for it."""

from __future__ import annotations

from pathlib import Path

from fault_camera import FaultCamera


def models_kept(camera: FaultCamera) -> list[bytes]:
    return [path.read_bytes() for path in sorted(camera.history.glob("0*/model.cvimodel"))]


def deploy_in_turn(camera: FaultCamera) -> tuple[Path, Path]:
    first, second = camera.artifact("first"), camera.artifact("second")
    camera.deploy(first).fine()
    camera.deploy(second).fine()
    return first, second


def test_a_damaged_model_of_the_history_is_told_and_uploaded_by_the_next_run(
    camera: FaultCamera,
) -> None:
    first, second = deploy_in_turn(camera)
    kept = next(
        path
        for path in camera.history.glob("0*/model.cvimodel")
        if path.read_bytes() == first.read_bytes()
    )
    kept.write_bytes(b"damaged")
    assert "damaged" in camera.deploy(first).failed("deployment")
    camera.holds_one_of(second)
    assert camera.deploy(first).fine()["uploaded_bytes"] > first.stat().st_size
    camera.holds_one_of(first)


def test_writing_over_the_active_model_in_place_leaves_the_history_whole(
    camera: FaultCamera,
) -> None:
    first, second = deploy_in_turn(camera)
    camera.recam("rollback").fine()
    camera.active.write_bytes(second.read_bytes())
    assert sorted(models_kept(camera)) == sorted(
        [b"the old model", first.read_bytes(), second.read_bytes()]
    )
    camera.deploy(first).fine()
    camera.holds_one_of(first)


def test_what_is_not_whole_in_the_history_costs_no_other_model_its_place(
    virtual: FaultCamera,
) -> None:
    first, second = virtual.artifact("first"), virtual.artifact("second")
    virtual.deploy(first).fine()
    (virtual.history / "00000009-aaaaaaaaaaaa").mkdir()
    (virtual.history / "2024-holidays").mkdir()
    virtual.deploy(second, RECAM_HISTORY="1").fine()
    assert models_kept(virtual) == [first.read_bytes()]
    names = sorted(path.name.partition("-")[0] for path in virtual.history.iterdir())
    assert names == ["00000010", "2024", "active.json"]
