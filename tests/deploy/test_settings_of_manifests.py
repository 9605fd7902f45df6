"""The containers of each overlay and of deploy/compose.yaml find what they name, and their components accept their settings."""

from pathlib import Path

import pytest

from soundwright.services.__main__ import COMPONENTS
from tests.deploy.compose import compose, passwords
from tests.deploy.manifests import OVERLAYS, containers, pod_templates
from tests.deploy.pods import Credentials, data_of, environment_of, settings_in


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    return Credentials(tmp_path_factory.mktemp("credentials"))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_pod_finds_its_secrets_and_accepts_its_settings(
    overlay: str, credentials: Credentials, tmp_path: Path
) -> None:
    data = data_of(overlay, credentials)
    seen = set()
    for name, template in pod_templates(f"overlays/{overlay}"):
        component = template["metadata"]["labels"]["app.kubernetes.io/component"].removesuffix("-worker")
        for container in containers(template):
            environment = environment_of(data, template["spec"], container, tmp_path / name / container["name"])
            if component in COMPONENTS:
                settings = settings_in(environment, component)
                assert settings.signing_keys(component)
                assert settings.nats_password.get_secret_value()
                assert settings.certificates.configured
                seen.add(component)
    assert seen == set(COMPONENTS)


@pytest.mark.parametrize("component", COMPONENTS)
def test_each_service_of_compose_accepts_its_settings(component: str, tmp_path: Path) -> None:
    service = compose(passwords(tmp_path / "deploy"))["services"][component]
    settings = settings_in({**service["environment"], "SOUNDWRIGHT_DATA_DIR": str(tmp_path)}, component)
    assert settings.nats_url.get_secret_value().startswith("nats://")
