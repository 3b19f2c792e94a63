# SPDX-License-Identifier: Apache-2.0
#
# ./lvx test PATTERN [--seed N]; sourced by test.sh.

# shellcheck source=find_tests.sh
source "$home/tests/scripts/find_tests.sh"

command_test_named() {
  local pattern= seed= programs=() classes=() failed=0
  while (($#)); do
    case $1 in
      --seed) (($# > 1)) || missing "--seed needs a number"; seed=$2; shift ;;
      --seed=*) seed=${1#*=} ;;
      --long) whole_campaigns ;;
      -*) missing "test takes a pattern, --seed N and --long, got '$1' (lvx test --help)" ;;
      *)
        [[ -z $pattern ]] || missing "test takes one pattern, got '$pattern' and '$1'"
        pattern=$1
        ;;
    esac
    shift
  done
  [[ -n $pattern ]] || missing "--seed goes with a pattern that names the tests (lvx test --help)"
  [[ $pattern != *[[:space:]]* ]] || missing "no test has a space in its name, got '$pattern'"
  [[ -z $seed || $seed =~ ^[0-9]{1,18}$ ]] || missing "--seed takes a whole number of at most 18 digits, got '$seed'"
  find_native
  find_java_tests
  say "$pattern: looked in native/tests ($native_count tests) and in src/test of ${java_modules[*]} ($java_count classes)"
  ((${#programs[@]} + ${#classes[@]})) || nothing_found
  mkdir -p "$state"
  set_up test_needs
  : >"$state/tests.log"
  ((${#programs[@]} == 0)) || run_native || failed=1
  ((${#classes[@]} == 0)) || run_java_tests || failed=1
  how_to_repeat
  return "$failed"
}

# The programs that have tests that match the pattern.
find_native() {
  local name file piece pieces
  IFS=: read -ra pieces <<<"${pattern%%-*}"
  native_count=0
  while read -r name file; do
    native_count=$((native_count + 1))
    for piece in "${pieces[@]}"; do
      ! means "$piece" "$name" || programs+=($(programs_of "$file"))
    done
  done < <(native_tests)
  ((${#programs[@]} == 0)) || mapfile -t programs < <(printf '%s\n' "${programs[@]}" | sort -u)
}

# The files of the Java classes that match the pattern, which may end in #method.
find_java_tests() {
  local name file method=${pattern#*#}
  java_count=0
  while read -r name file; do
    java_count=$((java_count + 1))
    # shellcheck disable=SC2053 # the right side is a pattern
    if [[ $name == ${pattern%%#*} ]]; then
      [[ $pattern != *#* ]] || has_method "$home/$file" "$method" || continue
      classes+=("$file")
    fi
  done < <(java_tests)
}

has_method() {
  local name
  while read -r name; do
    # shellcheck disable=SC2053 # the right side is a pattern
    [[ $name != $2 ]] || return 0
  done < <(methods_of "$1")
  return 1
}

nothing_found() {
  local names
  names=$({
    native_tests
    java_tests
    [[ $pattern != *#* ]] || java_tests | while read -r name file; do
      methods_of "$home/$file" | sed "s/^/$name#/"
    done
  } | nearest "$pattern")
  missing "no test is called '$pattern'${names:+; the nearest names:
$(sed 's/^/     /' <<<"$names")}"
}

run_native() {
  local build=$home/native/target/cmake/release program filter listed failed=0 any=0
  filter=$(gtest_filter "$pattern")
  (
    flock 9
    logged "building ${programs[*]}" preset release configure,build -DTESTS=ON \
      "-DTARGETS=$(IFS=, && echo "${programs[*]}")"
  ) 9>"$state/lock" || return 1
  for program in "${programs[@]}"; do
    listed=$(cd "$build" && "./$(program_path "$program")" --gtest_list_tests "--gtest_filter=$filter" | grep -c '^ ') || true
    ((listed)) || continue
    any=1
    say "$listed tests of $program"
    (cd "$build" && ${seed:+env "LVX_SEED=$seed"} "./$(program_path "$program")" "--gtest_filter=$filter" </dev/null) 2>&1 |
      tee -a "$state/tests.log" || failed=1
  done
  if ! ((any)); then
    names=$(cd "$build" && for program in "${programs[@]}"; do
      "./$(program_path "$program")" --gtest_list_tests | awk '/^[^ ]/ { suite = $1; next } { print suite $1 }'
    done | nearest "$pattern")
    missing "no instance of a test is called '$pattern'; the nearest names:
$(sed 's/^/     /' <<<"$names")"
  fi
  return "$failed"
}

run_java_tests() {
  local modules goals=(surefire:test) options=()
  modules=$(printf '%s\n' "${classes[@]}" | sed 's|/src/test/.*||' | sort -u)
  # Tests on the CUDA device's stand-in are a separate Maven execution, with natives that only tests need.
  if grep -qx tests <<<"$modules"; then
    (
      flock 9
      logged "building the natives that the tests need" preset release configure,build -DTESTS=ON \
        "-DTARGETS=$natives_for_tests"
    ) 9>"$state/lock" || return 1
    ! grep -qs '@Tag("cuda")' "${classes[@]/#/$home/}" || goals+=(surefire:test@cuda)
  fi
  [[ $modules != *examples/spark* ]] || options+=(-Pspark)
  [[ -z $seed ]] || options+=("-Dlvxattn.seed=$seed")
  say "Java: ${classes[*]}"
  java_test "$(tr '\n' , <<<"$modules" | sed 's/,$//')" "$pattern" "${goals[@]}" "${options[@]}"
}

# java_test MODULES PATTERN GOALS AND OPTIONS...: prints what the tests print, and Maven's errors if it fails.
java_test() {
  local log=$state/java-tests.log status=0
  watched "Java tests" "$log" maven -pl "$1" -am -Dnative.steps=configure,pack test-compile "${@:3}" "-Dtest=$2" \
    -Dsurefire.failIfNoSpecifiedTests=false || status=1
  awk '/ T E S T S$/ { on = 1 } /^\[INFO\] (--- |Reactor Summary|BUILD )/ { on = 0 } on' "$log" |
    grep -v -e '^\[INFO\] *$' -e '^\[INFO\] -*$' -e ' T E S T S$' -e 'No tests to run' | tee -a "$state/tests.log" || true
  if ((status)); then
    grep -v '^[[:space:]]*at ' "$log" | grep '^\[ERROR\]' | tail -n 30 >&2 || true
    say "failed (whole log: $log)"
  elif ! grep -q 'Tests run: [1-9]' "$log"; then
    say "none of these tests ran: their tag is excluded (whole log: $log)"
    status=1
  fi
  return "$status"
}

how_to_repeat() {
  local seeds
  seeds=$(grep -oE '(LVX_SEED|lvxattn\.seed)=[0-9]+' "$state/tests.log" | sed 's/.*=//' | sort -u | head -n 4) || true
  if [[ -z $seeds ]]; then
    say "these tests use no random numbers: to repeat, run the same command"
  else
    while read -r drawn; do
      say "to repeat: ./lvx test '$pattern' --seed $drawn"
    done <<<"$seeds"
  fi
}
