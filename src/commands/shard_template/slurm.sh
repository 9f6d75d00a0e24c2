#!/bin/bash
# MPTCP's tests on @SHARDS@ nodes: the kernel is built once, each task of an array runs a part, and one run is made of all.
# Run this in the kernel tree, which all nodes see:   bash FILE
# It submits three jobs, and prints the directory for their results. Options for sbatch can be set: SBATCH_PARTITION=name
set -euo pipefail

case "${1-submit}" in
submit)
    # What git and the build ignore.
    mkdir -p .vmptcp
    SHARDS_DIR=$(mktemp --directory "$PWD/.vmptcp/shards.XXXXXX")
    export SHARDS_DIR
    submit() { sbatch --parsable --chdir="$PWD" --output="$SHARDS_DIR/%x-%a.log" "$@"; }
    pack=$(submit --job-name=vmptcp-pack "$0" pack)
    shards=$(submit --job-name=vmptcp-shard --array=1-@SHARDS@ --no-requeue --dependency="afterok:$pack" \
        --kill-on-invalid-dep=yes "$0" shard)
    # Also when a part failed or its node died: the merged run names it.
    submit --job-name=vmptcp-merge --dependency="afterany:$shards" "$0" merge > "$SHARDS_DIR/merge.id"
    echo "$SHARDS_DIR"
    ;;
pack)
    vmptcp pack@KERNEL@ "$SHARDS_DIR/kernel.tar.zst"
    ;;
shard)
    # Builds and results are on the node's own disk until the end.
    local=$(mktemp --directory "${TMPDIR:-/tmp}/vmptcp.XXXXXX")
    trap 'rm -rf -- "$local"' EXIT
    vmptcp unpack "$SHARDS_DIR/kernel.tar.zst" --into "$local/kernel"
    vmptcp --tree "$local/kernel" ci run --system plain --shard "$SLURM_ARRAY_TASK_ID/@SHARDS@" \
        --artifacts "$SHARDS_DIR/shard-$SLURM_ARRAY_TASK_ID"@KERNEL@@TESTS@
    ;;
merge)
    vmptcp merge "$SHARDS_DIR"/shard-*/vmptcp --dir "$SHARDS_DIR/merged"
    ;;
esac
