"""``make version`` and the preconditions of ``make release``."""

import shutil
import subprocess
from pathlib import Path

import pytest

from dev.tools import release


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the files that have the version."""
    for name in {name for name, _ in release.PLACES}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(release.ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n- A change.\n")
    monkeypatch.setattr(release, "ROOT", tmp_path)
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    commit(tmp_path)
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    author = ("-c", "user.name=Any", "-c", "user.email=any@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *author, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=Any")


def test_a_version_that_is_written_everywhere_can_be_released(clone: Path) -> None:
    assert release.main(["version", "9.8.7"]) == 0
    commit(clone)
    assert list(release.problems("9.8.7")) == []
    text = (clone / "deploy" / "k8s" / "overlays" / "prod" / "kustomization.yaml").read_text()
    assert "newTag: 9.8.7-cuda}" in text
    assert "## Unreleased\n\n## 9.8.7 - 20" in (clone / "CHANGELOG.md").read_text()


def test_each_problem_of_a_release_is_named(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["release", "next"]) == 1
    git(clone, "tag", "v9.8.8")
    git(clone, "tag", "v9.8.7")
    git(clone, "checkout", "--quiet", "-b", "other")
    (clone / "new").touch()
    assert release.main(["release", "9.8.7"]) == 1
    said = capsys.readouterr().out
    for sentence in (
        "next is not a version",
        "not committed",
        "Releases are made of the branch main",
        "The tag v9.8.7 exists",
        "v9.8.8 is newer",
        "CHANGELOG.md has no heading",
        "deploy/helm/soundwright/Chart.yaml has the version ",
        "client/pyproject.toml has the version ",
    ):
        assert sentence in said
