#!/bin/sh
# Writes the three lock files from pyproject.toml: pins and hashes only, never an index.
set -eu
cd "$(dirname "$0")/.."
lock() { output=$1; shift
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
        --no-emit-index-url --no-emit-find-links --no-annotate "$@" --output-file "locks/$output" pyproject.toml locks/build.in; }
lock image.txt --extra demo --extra training
lock embedded.txt --extra embedded
lock dev.txt --extra embedded --extra parquet --group dev
