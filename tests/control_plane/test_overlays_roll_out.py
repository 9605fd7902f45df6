"""Each overlay, on a real control plane: the API server accepts it, and its pods find nodes."""

import json

import pytest

from tests.control_plane.installation import Installation
from tests.deploy.manifests import OVERLAYS

SERVICES = ("Deployment", "StatefulSet")


@pytest.fixture(params=OVERLAYS)
def installed(request: pytest.FixtureRequest) -> Installation:
    installation: Installation = request.getfixturevalue(request.param)
    return installation


def test_an_overlay_rolls_out(installed: Installation) -> None:
    installed.until_rolled_out(*installed.names(*SERVICES))
    for job in installed.names("Job"):
        installed.kubectl("wait", "--for=condition=complete", job, "--timeout=600s")


def test_the_namespace_refuses_pods_without_restrictions(installed: Installation) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "unrestricted", "namespace": installed.namespace},
        "spec": {"containers": [{"name": "any", "image": "any:1.0"}]},
    }
    refused = installed.plane.run("apply", "--server-side", "--filename=-", stdin=json.dumps(pod))
    assert 'violates PodSecurity "restricted' in refused.stderr
