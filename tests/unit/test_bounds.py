"""A number has the same bounds as a flag and as a setting (row 16)."""

from __future__ import annotations

from typing import Any

import pytest
from all_commands import all_commands
from pydantic import ValidationError

from recam_deploy.bounds import BOUNDS
from recam_deploy.errors import SettingsError
from recam_deploy.settings import load_settings
from recam_deploy.settings.schema import GeneralSettings, Settings

TABLES: dict[str, Any] = {**Settings.tables, "general": GeneralSettings}
FIELDS = sorted(name for name in BOUNDS if name.partition(".")[0] in TABLES)


COMMANDS = all_commands()


def _accepts(table: str, field: str, value: float) -> bool:
    try:
        TABLES[table](**{field: value})
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("name", FIELDS)
def test_row_16_settings_have_the_bounds_of_the_flags(name: str) -> None:
    table, _, field = name.partition(".")
    bounds = BOUNDS[name]
    edges = [bounds.least - 1, bounds.least, bounds.least + 1, -1, 0, 10**12]
    edges += [bounds.most, bounds.most + 1] if bounds.most is not None else []
    for edge in edges:
        value = bounds.kind(edge)
        try:
            bounds.parse(str(value))
            allowed = True
        except ValueError:
            allowed = False
        assert _accepts(table, field, value) == allowed, value


@pytest.mark.parametrize("name", [n for n in FIELDS if BOUNDS[n].kind is float])
def test_row_16_infinity_and_nan_are_no_numbers(name: str) -> None:
    table, _, field = name.partition(".")
    for text in ("nan", "inf", "-inf"):
        assert not _accepts(table, field, float(text))
        with pytest.raises(ValueError, match="not in the range"):
            BOUNDS[name].parse(text)


def test_row_16_no_number_of_a_table_goes_without_bounds() -> None:
    for table, cls in TABLES.items():
        for field, info in cls.model_fields.items():
            if info.annotation in (int, float, int | None, float | None):
                assert f"{table}.{field}" in BOUNDS


def test_row_16_no_number_of_a_command_goes_without_bounds() -> None:
    numbers = {
        f"{name} {parameter.opts[0]}": parameter.type_descriptor.parameter_info.parser
        for name, command in COMMANDS.items()
        for parameter in command.params
        if getattr(parameter, "type_descriptor", None)
        and parameter.type_descriptor.annotation in (int, float)
    }
    assert len(numbers) > 20
    assert [flag for flag, parser in numbers.items() if parser is None] == []


@pytest.mark.parametrize("value", ["0", "nan", "1.5", "x", ""])
@pytest.mark.parametrize("flag", ["--expected-cos", "--min-layer-cos"])
def test_row_16_a_flag_out_of_range_is_a_mistake_of_use(flag: str, value: str) -> None:
    command = COMMANDS["convert"]
    with pytest.raises(Exception, match="not in the range|is not a number") as refused:
        command.make_context("convert", ["m.onnx", flag, value])
    assert getattr(refused.value, "exit_code", None) == 2


def test_a_setting_out_of_range_is_named_by_its_variable() -> None:
    with pytest.raises(SettingsError, match="RECAM_CONVERT_EXPECTED_COS"):
        load_settings({"RECAM_CONVERT_EXPECTED_COS": "0"})
    with pytest.raises(SettingsError, match="RECAM_TIMEOUT"):
        load_settings({"RECAM_TIMEOUT": "inf"})
