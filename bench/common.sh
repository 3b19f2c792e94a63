# SPDX-License-Identifier: Apache-2.0
#
# Sourced by the scripts here: builds the benchmarks when sources changed, and starts them with the
# JDK that ./lvx finds.

bench=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source=../lvx
source "$bench/../lvx"

bench_is_built() {
  local paths stamp=$bench/target/bench.built
  mapfile -t paths < <(sources)
  is_current "$stamp" "${paths[@]}" "$bench/pom.xml" "$bench/src"
}

build_bench() {
  find_java
  mkdir -p "$state"
  exec 9>"$state/lock"
  flock 9
  if ! bench_is_built; then
    set_up build_needs
    mkdir -p "$bench/target"
    begin_stamp "$bench/target/bench.building"
    logged "building the benchmarks" \
      maven package -pl bench -am -DskipTests -Dspotless.check.skip=true || exit 1
    mv "$bench/target/bench.building" "$bench/target/bench.built"
  fi
  exec 9>&-
}

# java_command MODULE_PATH: the array `java` that starts classes of the benchmarks with that library.
java_command() {
  hold_blas_to_target
  java=("$JAVA_HOME/bin/java" -p "$1" --add-modules org.lvxattn --enable-native-access=org.lvxattn
    -cp "$bench/target/classes:$(<"$bench/target/class-path")")
}
