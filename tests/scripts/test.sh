# SPDX-License-Identifier: Apache-2.0
#
# ./lvx test: all tests and checks, by section, or the tests that match a pattern; sourced by lvx.

# shellcheck source=named_tests.sh
source "$home/tests/scripts/named_tests.sh"

results=()
result() { results+=("$(printf '%-8s %-44s %s' "$@")"); }

section() { # NAME COMMAND...
  local name=$1 start=$SECONDS verdict=passed
  shift
  echo "==== $name"
  "$@" </dev/null || verdict=FAILED
  result "$verdict" "$name" "$((SECONDS - start)) s"
  [[ $verdict == passed ]]
}

# quietly WHAT LOG COMMAND...: prints only the end of the output, and only if the command fails.
quietly() {
  watched "$1" "$2" "${@:3}" || {
    tail -n 40 "$2"
    return 1
  }
}

# Builds only the plugin, in a separate build folder, so that "lvx run" does not wait for it. It is built only for the GPUs
# whose registers and spills are checked, which is a fraction of what "build --cuda" builds.
cuda_plugin=$home/native/target/cmake/cuda
cuda_architectures="80-real;90a-real"

build_cuda_plugin() {
  local log=$state/cuda.log
  quietly "configuring the CUDA plugin" "$log" \
    configure_plugin "$cuda_plugin" "-DLVX_CUDA_ARCHITECTURES=$cuda_architectures" || return 1
  left_out "$log"
  quietly "CUDA plugin" "$log" cmake --build "$cuda_plugin" --target lvx_cuda || return 1
  # The library looks for plugins in its own folder.
  cp "$home/native/target/cmake/release/liblvx.so" "$cuda_plugin" || return 1
  # Registers, spills and shared memory; the build fails if tensor-core kernels spill.
  cat "$cuda_plugin/cuda_kernels.md"
}

# The source folder of an interpreter of PTX, which is not part of this repository.
ptxrun=${LVX_PTXRUN:-$home/../shared/tools/ptxrun}

# Executes the compiled kernels on the host. Any race, invalid access or wrong number fails.
ptx_tests() {
  local build=$home/native/target/cmake/release log=$state/ptx.log
  quietly "configuring the PTX tests" "$log" cmake -S "$home/native" -B "$build" \
    "-DLVX_PTXRUN=$(readlink -f "$ptxrun")" || return 1
  quietly "PTX tests" "$log" cmake --build "$build" --target lvx_ptx_tests || return 1
  "$home/native/tests/ptx/run" "$build"
}

# The native tests compare our declarations with the real header and library if CMake has found them.
against_headers() { # NAME WHEEL
  if grep -q "^$1_LIBRARY:.*NOTFOUND" "$home/native/target/cmake/release/CMakeCache.txt"; then
    result SKIPPED "$1's header and library" "not found (pip install --target DIR $2; then $1_ROOT=DIR ./lvx test)"
  fi
}

# Randomized tests run a seeded part of their cases; with --long they run all, for hours. Native tests read the variable,
# Java tests the property.
whole_campaigns() {
  export LVX_LONG=1
  maven_options+=(-Dlvxattn.long=true)
}

command_test() {
  case "$*" in
    "") everything ;;
    --long) whole_campaigns && everything ;;
    *) command_test_named "$@" ;;
  esac
}

# Spark's libraries, 150 MB, are downloaded once; if they cannot be downloaded, the example is skipped.
with_spark() {
  local version
  version=$(sed -n 's:.*<spark.version>\(.*\)</spark.version>.*:\1:p' "$home/pom.xml")
  if maven -q -N dependency:get "-Dartifact=org.apache.spark:spark-core_2.13:$version" -Dtransitive=false \
    >/dev/null 2>&1 </dev/null; then
    verify_options+=(-Pspark)
  else
    result SKIPPED "Spark example: four ranks in a barrier stage" "Spark $version cannot be downloaded here"
  fi
}

# Programs that use dist and nothing else. The plugin in it, if there is one, is that of the tests.
clients() { # OPTIONS OF MAVEN VERIFY
  local cuda=none
  [[ $1 != *"$cuda_plugin"* ]] || cuda=$cuda_plugin
  # shellcheck source=dist.sh
  source "$home/tests/scripts/dist.sh"
  if section "dist: a Maven repository" make_dist "$cuda"; then
    section "clients of dist, in fresh folders" "$home/tests/clients/run" || true
  fi
}

# Builds the natives and the plugin first, so that Maven runs once. With the plugin, its tests open a CUDA device without a
# driver and check the exception and what doctor says about it.
everything() {
  local release=$home/native/target/cmake/release
  local verify_options=()
  mkdir -p "$state"
  set_up test_needs
  section "native build" preset release configure,build -DTESTS=ON || true
  section "CUDA kernels: injected faults are detected" "$home/native/tests/cuda/mutations" "$release" || true
  if ! has_command nvcc; then
    result SKIPPED "CUDA plugin" "nvcc is not on the PATH (NVIDIA's CUDA Toolkit 12.8 or later)"
  elif section "CUDA plugin with nvcc, for $cuda_architectures" build_cuda_plugin; then
    verify_options+=("-Dtest.native.dir=$cuda_plugin")
  fi
  with_spark
  section "Maven verify: Java and native tests" maven "${verify_options[@]}" verify || true
  clients "${verify_options[*]}"
  if ! has_command nvcc; then
    result SKIPPED "CUDA kernels: their PTX, executed" "nvcc is not on the PATH"
  elif [[ ! -r $ptxrun/src/machine.cpp ]]; then
    result SKIPPED "CUDA kernels: their PTX, executed" "no ptxrun in $ptxrun (LVX_PTXRUN=FOLDER)"
  else
    section "CUDA kernels: their PTX, executed" ptx_tests || true
  fi
  against_headers NCCL nvidia-nccl-cu13
  against_headers CUDNN nvidia-cudnn-cu13
  section "native tests, ASan and UBSan" preset asan configure,build,test || true
  if has_command clang-tidy; then
    section "clang-tidy" preset tidy configure,build -DTARGETS=tidy || true
  else
    result SKIPPED "clang-tidy" "not installed (Debian: clang-tidy)"
  fi
  echo "==== summary"
  printf '%s\n' "${results[@]}"
  if [[ ${results[*]} == *FAILED* ]]; then
    echo "lvx test: FAILED"
    return 1
  fi
  echo "lvx test: all passed"
}
