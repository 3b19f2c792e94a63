# SPDX-License-Identifier: Apache-2.0
#
# ./lvx format; sourced by lvx.

format_needs() {
  missing_packages <<'EOF'
cmake cmake
mvn maven
clang-format clang-format
EOF
}

command_format() {
  takes_nothing format "$@"
  mkdir -p "$state"
  set_up format_needs
  # The profile adds the module that other builds omit. Formatting neither compiles nor downloads anything for it.
  logged "formatting Java" maven -Pspark spotless:apply || exit 1
  logged "formatting C and C++" cmake -DFIX=ON -P "$home/cmake/CheckFormat.cmake" || exit 1
}
