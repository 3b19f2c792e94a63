# SPDX-License-Identifier: Apache-2.0
#
# Finds tests, and those that match a pattern, in the sources, so that nothing needs to be built. Sourced by the scripts
# here.

java_modules=(bindings java-api cli tests tests/errors tests/oracle bench examples/spark)

# The natives that tests across Java modules load.
natives_for_tests=lvx,lvx_nccl_standin,lvx_cuda_standin_folder

# Prints "Suite.Test file", with the file relative to native/tests; one per line.
native_tests() {
  (cd "$home/native/tests" &&
    grep -rHoE --include='*.cpp' --include='*.h' '^TEST(_[FP])?\([A-Za-z0-9_]+, *[A-Za-z0-9_]+\)' .) |
    sed -E 's|^\./([^:]*):[^(]*\(([^,]*), *([^)]*)\)|\2.\3 \1|'
}

# Prints "Class file", with the file relative to the checkout; one per line. Surefire takes these class names.
java_tests() {
  local module
  for module in "${java_modules[@]}"; do
    [[ ! -d $home/$module/src/test ]] || (cd "$home" && find "$module/src/test" -name '*Test.java' -o \
      -name '*Test.kt' -o -name '*Test.scala')
  done | sed -E 's|(.*/)?([^/]*)\.[a-z]+$|\2 &|'
}

# The methods in the file of a class, including those that are not tests.
methods_of() { sed -nE 's/.*\b(void|fun|def) ([A-Za-z0-9_]+)\(.*/\2/p' "$1"; }

# The test programs that contain the file of a native test or a header.
programs_of() { # FILE
  local file=$1
  case $file in
    cuda/*) echo lvx_cuda_tests ;;
    gpu/*) echo lvx_gpu_tests ;;
    cudnn/*) echo lvx_cudnn_tests ;;
    ptx/*) ;;
    *.h)
      echo lvx_tests
      ! grep -qsF "\"$file\"" "$home"/native/tests/cuda/*.cpp || echo lvx_cuda_tests
      ;;
    *) echo lvx_tests ;;
  esac
}

# The path of a program, relative to the build folder.
program_path() { [[ $1 == lvx_gpu_tests ]] && echo "cuda_standin/$1" || echo "$1"; }

# means PIECE SUITE.TEST: whether a piece of a filter matches the test. GoogleTest selects instances of parameterized tests.
means() {
  local piece=$1 name=$2
  if [[ $piece == */* ]]; then # Prefix/Suite.Test/Parameter, each but the suite optional
    [[ ${piece%%/*} == *.* ]] || piece=${piece#*/}
    piece=${piece%%/*}
  fi
  # shellcheck disable=SC2053 # the right sides are patterns
  [[ $name == $piece || ${name%%.*} == $piece || ${name#*.} == $piece ]]
}

# gtest_filter PIECES: the filter for GoogleTest, which also matches instances of parameterized tests.
gtest_filter() {
  local piece filter= pieces
  IFS=: read -ra pieces <<<"${1%%-*}"
  for piece in "${pieces[@]}"; do
    filter+=:$piece:$piece/*:*/$piece:*/$piece/*
    [[ $piece == *.* ]] || filter+=:$piece.*:*/$piece.*:*.$piece:*.$piece/*
  done
  [[ $1 != *-* ]] || filter+=-${1#*-}
  echo "${filter#:}"
}

# nearest NAME <NAMES: the five names that share the most trigrams with NAME.
nearest() {
  awk -v wanted="$1" '
    function shared(a, b,   i, n, seen) {
      for (i = 1; i <= length(a) - 2; ++i) seen[substr(a, i, 3)] = 1
      for (i = 1; i <= length(b) - 2; ++i) n += substr(b, i, 3) in seen
      return 2 * n / (length(a) + length(b))
    }
    BEGIN { wanted = tolower(wanted); gsub(/[*?]/, "", wanted) }
    { score = shared(wanted, tolower($1)) }
    score > 0 { print score, $1 }' | sort -k1,1gr -k2,2 -u | awk '!seen[$2]++ { print $2 }' | head -n 5 || true
}
