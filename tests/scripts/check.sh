# SPDX-License-Identifier: Apache-2.0
#
# ./lvx check: format, lint, compile, and the unit tests of what changed; sourced by lvx.

# shellcheck source=find_tests.sh
source "$home/tests/scripts/find_tests.sh"

checked=$state/checked # its time is the start of the last check that passed

# Slow suites; if no check has passed yet, only the others run.
slow_suites=(AllReduce EveryDType EveryGroup EveryTarget FailingMpiJobsCampaign FailingWorldsCampaign HugeBias HugeBiases
  LongSums NcclFaults NcclSchedules OneKey OneKeyOverRanks Schedules TcpLinks TcpMeeting Tiled)
# Folders of Java tests that take seconds.
fast_packages=(bindings/src/test/java/org/lvxattn/bindings java-api/src/test/java/org/lvxattn/io
  java-api/src/test/java/org/lvxattn/optim cli/src/test/java/org/lvxattn/cli/workload
  tests/errors/src/test/java/org/lvxattn/errors tests/oracle/src/test/java/org/lvxattn/oracle)
# The number of sources that clang-tidy checks within the three minutes of ./lvx check.
most_sources=12

command_check() {
  takes_nothing check "$@"
  local failures=() rooms=() sources=() packages=() classes=() java=no
  mkdir -p "$state"
  set_up test_needs
  touch "$state/checking"
  find_changes
  step "format of C and C++" cmake -P "$home/cmake/CheckFormat.cmake"
  ((${#rooms[@]} == 0)) || check_natives
  ((${#sources[@]} == 0)) || check_by_clang_tidy
  [[ $java == no ]] || check_java
  if ((${#failures[@]})); then
    say "check: FAILED: $(printf '%s; ' "${failures[@]}" | sed 's/; $//')"
    exit 1
  fi
  mv "$state/checking" "$checked"
  say "check: passed (./lvx test runs everything)"
}

step() { logged "$@" || failures+=("$1"); }

# ---- What changed --------------------------------------------------------------------------------

find_changes() {
  local path
  if [[ -e $checked ]]; then
    while read -r path; do changes "$path"; done < <(changed_paths)
    say "check: since the last one that passed: native folders: ${rooms[*]:-none}; Java packages: ${packages[*]:-none}"
  else
    say "check: none has passed here yet: the fast tests, and clang-tidy on uncommitted changes"
    # Only for clang-tidy, which would take minutes for all sources.
    while read -r path; do changes "$path"; done < <(cd "$home" &&
      git status --porcelain --untracked-files=all 2>/dev/null | cut -c 4-)
    rooms=(fast) packages=("${fast_packages[@]}") java=yes
  fi
  unique rooms
  unique sources
  unique packages
}

unique() {
  local -n list=$1
  mapfile -t list < <(printf '%s\n' "${list[@]}" | sort -u | sed '/^$/d')
}

# Changed files and folders; a changed folder shows that a file was removed.
changed_paths() {
  (cd "$home" && find pom.xml .clang-format .clang-tidy cmake native bindings java-api cli tests bench examples \
    -name target -prune -o -newer "$checked" -print)
}

# Adds the checks that a changed path needs.
changes() {
  local path=$1
  case $path in
    native/src/device/cuda/*) rooms+=(cuda gpu) ;;
    native/src/*/* | native/tests/*/*)
      path=${path#native/*/}
      rooms+=("${path%%/*}")
      [[ ! $path =~ ^(support|standin)/ ]] || rooms+=(fast)
      ;;
    native/include/*) rooms+=(abi) ;;
    native/* | cmake/* | .clang-*) rooms+=(fast) ;;
    */src/main/* | */src/test/*)
      java=yes
      # Tests across modules take minutes, so only those that were changed themselves.
      case $path in
        tests/src/* | examples/*) [[ ! $path =~ Test\.[a-z]+$ ]] || packages+=("$path") ;;
        *.*) packages+=("$(dirname "${path/src\/main/src/test}")") ;;
      esac
      ;;
    *pom.xml) java=yes ;;
  esac
  case $1 in
    native/src/device/cuda/* | native/src/group/mpi/* | native/src/group/nccl/*) ;; # not in the core
    native/src/*.cpp) [[ ! -e $home/$1 ]] || sources+=("${1#native/src/}") ;;
    native/src/*.h | native/include/*.h) sources+=("$(reader_of "${1#native/*/}")") ;;
  esac
}

# A source of the core that includes a header, preferably the one with the same name.
reader_of() {
  (cd "$home/native/src" && grep -rlF --include='*.cpp' "\"$1\"" . | sed 's|^\./||' |
    grep -vE '^(device/cuda|group/mpi|group/nccl)/' |
    awk -v own="${1%.h}.cpp" 'NR == 1 || $0 == own { best = $0 } END { if (NR) print best }') || true
}

# ---- Steps ---------------------------------------------------------------------------------------

check_natives() {
  local room name file program programs=() filters=() build=$home/native/target/cmake/release
  local -A filter=()
  for room in "${rooms[@]}"; do
    while read -r name file; do
      [[ $file == "$room"/* || $room == fast ]] || continue
      for program in $(programs_of "$file"); do
        if [[ $room == fast ]]; then
          [[ $program == lvx_tests && " ${slow_suites[*]} " != *" ${name%%.*} "* ]] || continue
        fi
        filter[$program]+=:$name:$name/*:*/$name:*/$name/*
      done
    done < <(native_tests)
  done
  programs=("${!filter[@]}")
  # Also compiles the other natives that are packed.
  step "compiling natives" preset release configure,build,pack -DTESTS=ON \
    "-DTARGETS=$(printf '%s,' lvx "${programs[@]}" | sed 's/,$//')"
  [[ " ${failures[*]} " != *"compiling natives"* ]] || return 0
  for program in "${programs[@]}"; do
    step "native tests of ${rooms[*]} in $program" in_folder "$build" "./$(program_path "$program")" --gtest_brief=1 \
      "--gtest_filter=${filter[$program]#:}"
  done
}

in_folder() { (cd "$1" && "${@:2}"); }

check_by_clang_tidy() {
  if ! has_command clang-tidy; then
    say "SKIPPED: clang-tidy is not installed (Debian: clang-tidy)"
    return
  fi
  if ((${#sources[@]} > most_sources)); then
    say "clang-tidy: the first $most_sources of ${#sources[@]} changed sources; ./lvx test checks all"
    sources=("${sources[@]:0:most_sources}")
  fi
  step "clang-tidy: ${sources[*]}" preset tidy configure,build \
    "-DTARGETS=$(printf 'tidy/%s.passed,' "${sources[@]}" | sed 's/,$//')"
}

# Compiles all modules, because a change in one may break another; runs the tests of the changed packages.
check_java() {
  local name file options=() known
  while read -r name file; do
    for known in "${packages[@]}"; do
      [[ $file != "$known" && ${file%/*} != "$known" ]] || classes+=("$name")
    done
  done < <(java_tests)
  if ((${#classes[@]})); then
    options=(surefire:test "-Dtest=$(IFS=, && echo "${classes[*]}")" -Dsurefire.failIfNoSpecifiedTests=false)
  fi
  if [[ " ${packages[*]}" == *" tests/src/"* ]]; then
    step "compiling natives for tests" preset release configure,build -DTESTS=ON "-DTARGETS=$natives_for_tests"
  fi
  step "Java: format, lint, compile, ${#classes[@]} test classes" maven -Dnative.steps=configure,pack \
    test-compile "${options[@]}" spotless:check@format
}
