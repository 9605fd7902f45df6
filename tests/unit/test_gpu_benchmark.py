"""``make bench-gpu`` writes its table, on the device that there is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench import gpu


def test_the_table_has_a_row_for_each_model_and_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "made" / "table.md"
    arguments = [
        "--device",
        "cpu",
        "--models",
        "small",
        "--batches",
        "1",
        "2",
        "--seconds",
        "1",
        "--jobs",
        "0",
        "--output",
    ]
    monkeypatch.setattr(sys, "argv", ["bench.gpu", *arguments, str(output)])
    gpu.main()
    head, _, *table = output.read_text().splitlines()
    assert "PyTorch" in head
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]
    assert [row[:3] for row in rows] == [["small", "exact", "1"], ["small", "exact", "2"]]
    for row in rows:
        assert float(row[3]) > 0
        assert float(row[4]) > 100  # the peak of a process that loaded PyTorch
    assert {len(row) for row in rows} == {gpu.HEAD.splitlines()[0].count("|") - 1}


def test_without_a_gpu_nothing_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(gpu, "in_new_process", lambda function, *arguments: "")
    monkeypatch.setattr(sys, "argv", ["bench.gpu"])
    gpu.main()
    assert capsys.readouterr().out == "PyTorch finds no GPU. Nothing was measured.\n"
