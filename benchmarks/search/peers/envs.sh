#!/usr/bin/env bash
# One virtual environment per family of peers, outside the repository:
#   benchmarks/search/peers/envs.sh [syne optuna smac dehb neps bohb hebo rustuna]
# into $SEEDLEAF_PEERS (default ~/.cache/seedleaf-peers). The locks are whole, so nothing is resolved (--no-deps): the
# CUDA libraries that some peers name as dependencies stay away, and torch is the CPU build or nothing.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="${SEEDLEAF_PEERS:-$HOME/.cache/seedleaf-peers}"
python="${PYTHON:-python3.11}"
mkdir -p "$root"
for peer in "${@:-syne}"; do
  env="$root/$peer"
  if [ -e "$env/ready" ] && cmp -s "$env/ready" <(cat "$here/locks/$peer.txt" "$here/locks/scenarios.txt"); then
    echo "$peer: ready"
    continue
  fi
  "$python" -m venv --clear "$env"
  # setuptools below 81 still has pkg_resources, which old peers import
  "$env/bin/pip" install -q "setuptools<81" wheel
  "$env/bin/pip" install -q --no-deps --no-build-isolation -r "$here/locks/$peer.txt" -r "$here/locks/scenarios.txt"
  cat "$here/locks/$peer.txt" "$here/locks/scenarios.txt" > "$env/ready"
  echo "$peer: $env ($(du -sh "$env" | cut -f1))"
done
