# SPDX-License-Identifier: Apache-2.0
#
# Sourced by the scripts here: builds the benchmarks if sources changed, and starts them with the JDK
# that ./lvx finds.

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

# java_command MODULE_PATH: sets the array `java`, the command that starts benchmark classes with the library on that path.
java_command() {
  hold_blas_to_target
  java=("$JAVA_HOME/bin/java" -p "$1" --add-modules org.lvxattn --enable-native-access=org.lvxattn
    -cp "$bench/target/classes:$(<"$bench/target/class-path")")
}

# Prints the folder with the sources of a revision, which it unpacks first, or the folder that was given.
sources_of() {
  local commit folder
  if [[ -x $1/lvx ]]; then
    readlink -f "$1"
    return
  fi
  commit=$(git -C "$home" rev-parse --verify --quiet --end-of-options "$1^{commit}") \
    || missing "'$1' is neither a revision of this repository nor a folder with the sources of one"
  folder=$bench/target/builds/$commit
  if [[ ! -e $folder/lvx ]]; then
    rm -rf "$folder.part"
    mkdir -p "$folder.part"
    git -C "$home" archive "$commit" | tar -x -C "$folder.part"
    mv "$folder.part" "$folder"
  fi
  echo "$folder"
}
