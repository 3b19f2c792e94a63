# SPDX-License-Identifier: Apache-2.0
#
# ./lvx dist: a complete Maven repository in dist/, for builds that use the library; sourced by lvx.

dist=$home/dist
dist_modules=native,java-api,java-api/bom,cli

command_dist() {
  local cuda=auto
  while (($#)); do
    case $1 in
      --offline) maven_options+=(-o) ;;
      --without-cuda) cuda=none ;;
      *) missing "dist takes --offline, --without-cuda or nothing, got '$*'" ;;
    esac
    shift
  done
  mkdir -p "$state"
  exec 9>"$state/lock"
  flock 9
  set_up build_needs
  make_dist "$cuda"
  exec 9>&-
  say_how_to_use
}

# make_dist auto|none|FOLDER: with the CUDA device if nvcc is there, without it, or with the plugin of a build folder.
make_dist() {
  local fresh=$dist.new cuda=$1
  local options=(-Pdist -DskipTests -Dmaven.test.skip=true -Dspotless.check.skip=true)
  require_one_version || return 1
  if [[ $cuda == auto ]]; then
    cuda=none
    if [[ $(nvcc_release) == 13.* ]]; then
      cuda=$home/native/target/cmake/cuda-dist
      logged "building the CUDA device" build_dist_plugin "$cuda" || return 1
      left_out "$state/build.log" >&2
    else
      say "without the CUDA device: its artifact, linux-x86_64-cuda13, needs nvcc 13, and the PATH has $(nvcc_release)"
    fi
  fi
  rm -rf "$fresh" "$home/native/target/linux-x86_64-cuda13"
  if [[ $cuda != none ]]; then
    logged "packing the CUDA device" pack_plugin "$cuda/liblvx_cuda.so" || return 1
    options+=(-Dcuda13)
  fi
  logged "building dist" maven "${options[@]}" -pl "$dist_modules" -am deploy \
    "-Ddist.folder=$fresh" "-DaltDeploymentRepository=dist::file://$fresh" || return 1
  left_out "$state/build.log" >&2
  add_checksums "$fresh"
  rm -rf "$dist"
  mv "$fresh" "$dist"
  warn_of_placeholders
}

pom_value() { sed -n "s:.*<$1>\(.*\)</$1>.*:\1:p" "$home/pom.xml" | head -n 1; }

# The natives report their version; it must be that of the jars.
require_one_version() {
  local natives
  natives=$(sed -n 's/^project(lvxattn VERSION \([0-9.]*\) .*/\1/p' "$home/native/CMakeLists.txt")
  [[ $(pom_value version) == "$natives" ]] ||
    missing "pom.xml has version $(pom_value version), native/CMakeLists.txt has $natives: both must be the version of dist"
}

nvcc_release() {
  local text
  text=$(nvcc --version 2>/dev/null | sed -n 's/.*release \([0-9.]*\),.*/\1/p') || true
  echo "${text:-none}"
}

build_dist_plugin() { # FOLDER
  configure_plugin "$1" && cmake --build "$1" --target lvx_cuda
}

pack_plugin() { # FILE
  cmake "-DPLUGINS=$1" "-DPACK=$home/native/target/linux-x86_64-cuda13/org/lvxattn/native/linux-x86_64-cuda13" \
    -DPLATFORM=linux-x86_64-cuda13 -P "$home/cmake/PackNatives.cmake"
}

# Maven writes MD5 and SHA-1 of what it deploys.
add_checksums() { # FOLDER
  local file sum
  find "$1" -type f ! -name '*.md5' ! -name '*.sha1' | while read -r file; do
    for sum in md5 sha1 sha256 sha512; do
      [[ -e $file.$sum ]] || "${sum}sum" "$file" | cut -d ' ' -f 1 | tr -d '\n' >"$file.$sum"
    done
  done
}

warn_of_placeholders() {
  local property unset=()
  for property in publish.url publish.scm publish.email; do
    [[ $(pom_value "$property") != *example.invalid* ]] || unset+=("$property")
  done
  ((${#unset[@]} == 0)) ||
    say "warning: the POMs in dist name addresses of example.invalid. Set ${unset[*]} in pom.xml before you publish them."
}

say_how_to_use() {
  cat <<END
dist is a Maven repository with $(pom_value groupId):lvxattn:$(pom_value version). A build names it by one line:
  Maven   <repository><id>lvxattn</id><url>file://$dist</url></repository>
  Gradle  maven { url = uri("file://$dist") }
docs/install.md has the rest.
END
}
